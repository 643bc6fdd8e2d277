// Who is looking: asks for a token where one is needed, and hides what the role does not allow.

import { get, post, remove, whenUnauthenticated } from "./api.js";
import { ask, field } from "./dialog.js";
import { byId, element } from "./dom.js";

const RANKS = { viewer: 1, operator: 2, admin: 3 };

let role = "viewer";
let asking = null;

/** Whether the caller may do what this role may. */
export const may = (wanted) => RANKS[role] >= RANKS[wanted];

/** Find out who is looking; resolves when somebody is allowed to. */
export async function begin() {
  whenUnauthenticated(() => login());
  byId("logout").addEventListener("click", async () => {
    await remove("/session");
    location.reload();
  });
  try {
    apply(await get("/session"));
  } catch (error) {
    if (error.status !== 401) {
      throw error;
    }
    await login();
  }
}

function login() {
  asking ??= ask({
    title: "This daemon asks for a token",
    text: "Whoever runs it makes one with: visage token create NAME",
    fields: [
      field(
        "Token",
        element("input", { type: "password", name: "token", required: true, autocomplete: "off" }),
      ),
    ],
    action: "Enter",
    cancel: "",
    submit: async (form) => apply(await post("/session", { token: form.get("token").trim() })),
  }).then(() => {
    asking = null;
  });
  return asking;
}

function apply(session) {
  role = session.role;
  byId("logout").hidden = session.open;
  for (const control of document.querySelectorAll("[data-role]")) {
    control.hidden = !may(control.dataset.role);
  }
}

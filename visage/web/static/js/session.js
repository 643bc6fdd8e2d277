// Who is looking: asks for a token where one is needed, and hides what the role does not allow.

import { get, post, remove, whenUnauthenticated } from "./api.js";
import { ask, field } from "./dialog.js";
import { byId, element } from "./dom.js";

const SIGN_IN = "#sign-in=";
const RANKS = { viewer: 1, operator: 2, admin: 3 };

let role = "viewer";
let asking = null;

/** Whether the caller may do what this role may. */
export const may = (wanted) => RANKS[role] >= RANKS[wanted];

/** Find out who is looking; resolves when somebody is allowed to. */
export async function begin() {
  byId("logout").addEventListener("click", async () => {
    await remove("/session");
    location.reload();
  });
  addEventListener("hashchange", () => location.hash.startsWith(SIGN_IN) && location.reload());
  const session = await signInByLink();
  whenUnauthenticated(() => login());
  try {
    apply(session ?? (await get("/session")));
  } catch (error) {
    if (error.status !== 401) {
      throw error;
    }
    await login();
  }
}

/** Use the code that a link from `visage open` carries, once, and take it out of the address. */
async function signInByLink() {
  const code = location.hash.startsWith(SIGN_IN) ? location.hash.slice(SIGN_IN.length) : "";
  if (!code) {
    return null;
  }
  history.replaceState(null, "", location.pathname);
  try {
    return await post("/session", { token: code });
  } catch (error) {
    if (error.status !== 401) {
      throw error;
    }
    return null; // used before: there may be a session already
  }
}

function login() {
  asking ??= ask({
    title: "Sign in",
    text: "On the daemon's machine: visage open. From elsewhere, a token made with: visage token create NAME",
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
  byId("logout").hidden = false;
  for (const control of document.querySelectorAll("[data-role]")) {
    control.hidden = !may(control.dataset.role);
  }
}

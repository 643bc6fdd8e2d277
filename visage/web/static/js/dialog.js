// Questions: a modal dialog with fields, closed by Escape, by Cancel, or by an action that succeeded.

import { element } from "./dom.js";

/**
 * Ask. `submit(dialog's FormData)` may throw: its message is shown and the dialog stays.
 * Resolves to whether it was submitted.
 */
export function ask({ title, text = "", fields = [], action, danger = false, submit, cancel = "Cancel" }) {
  return new Promise((resolve) => {
    const error = element("p", { className: "error", role: "alert" });
    const confirm = element("button", { type: "submit", className: danger ? "danger" : "" }, action);
    const form = element(
      "form",
      {},
      element("h2", { id: "dialog-title" }, title),
      text ? element("p", {}, text) : null,
      ...fields,
      error,
      element(
        "div",
        { className: "actions" },
        cancel
          ? element("button", { type: "button", className: "plain", onclick: () => dialog.close() }, cancel)
          : null,
        confirm,
      ),
    );
    const dialog = element("dialog", { "aria-labelledby": "dialog-title" }, form);
    let submitted = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      confirm.disabled = true;
      try {
        await submit(new FormData(form));
        submitted = true;
        dialog.close();
      } catch (problem) {
        error.textContent = problem.message;
      } finally {
        confirm.disabled = false;
      }
    });
    dialog.addEventListener("cancel", (event) => cancel || event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(submitted);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A labelled field. */
export function field(label, input) {
  return element("label", {}, label, input);
}

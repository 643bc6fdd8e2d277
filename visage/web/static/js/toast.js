// Messages that pass: what was done, or why not.

import { byId, element } from "./dom.js";

const SHOWN_MILLISECONDS = 6000;

export function toast(message) {
  const shown = element("p", { className: "toast" }, message);
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), SHOWN_MILLISECONDS);
}

/** Do something that may be refused, and say so if it is. */
export async function attempt(action, done = "") {
  try {
    await action();
    if (done) {
      toast(done);
    }
  } catch (error) {
    toast(error.message);
  }
}

// Light or dark: as the system says, until somebody chooses.

import { byId } from "./dom.js";

const KEY = "visage-theme";

export function begin() {
  const root = document.documentElement;
  const chosen = localStorage.getItem(KEY);
  if (chosen) {
    root.dataset.theme = chosen;
  }
  byId("theme").addEventListener("click", () => {
    const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const current = root.dataset.theme ?? (systemIsDark ? "dark" : "light");
    root.dataset.theme = current === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, root.dataset.theme);
  });
}

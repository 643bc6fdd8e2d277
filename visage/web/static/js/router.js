// Which view is shown: the address's part after #. Views say what to do when they are shown and left.

const views = new Map();
let current = null;

/** Register a view by its section's id. */
export function view(name, { shown = () => {}, left = () => {} } = {}) {
  views.set(name, { shown, left });
}

export function begin() {
  addEventListener("hashchange", show);
  show();
}

function show() {
  const wanted = location.hash.slice(1);
  if (current && !views.has(wanted)) {
    return; // a link within the page
  }
  const name = views.has(wanted) ? wanted : "live";
  if (name === current) {
    return;
  }
  const isFirst = current === null;
  views.get(current)?.left();
  current = name;
  for (const [other] of views) {
    document.getElementById(other).hidden = other !== name;
  }
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === name) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  document.title = `${document.querySelector(`[data-view="${name}"]`).textContent} · Visage`;
  if (!isFirst) {
    document.getElementById("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  views.get(name).shown();
}

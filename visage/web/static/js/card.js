// The card of a person or an unknown: portrait, name, a line of facts, buttons.

import { address, path } from "./api.js";
import { element } from "./dom.js";

/** `about` has `key`, `name`, `kind` ("people" or "unknowns"), `portrait`, `facts` and `actions` ([text, handler, class]). */
export function makeCard() {
  const face = element("div");
  const name = element("strong");
  const facts = element("small");
  const actions = element("div", { className: "actions" });
  const card = element("li", { className: "person" }, face, name, facts, actions);
  let shown = "";
  card.update = (about) => {
    card.about = about;
    name.textContent = name.title = about.name;
    facts.textContent = about.facts;
    const portrait = about.portrait
      ? address(`/${about.kind}/` + path`${about.id}/portrait`)
      : `initial ${about.name}`;
    if (portrait !== shown) {
      shown = portrait;
      face.replaceChildren(about.portrait ? picture(portrait) : initial(about));
    }
    const words = about.actions.map(([text]) => text).join();
    if (words !== actions.dataset.words) {
      actions.dataset.words = words;
      actions.replaceChildren(
        ...about.actions.map(([text, handler, className]) =>
          element("button", { type: "button", className, onclick: () => handler(card.about) }, text),
        ),
      );
    }
    for (const button of actions.children) {
      button.setAttribute("aria-label", `${button.textContent} ${about.name}`);
    }
  };
  return card;
}

const picture = (source) =>
  element("img", { className: "face", src: source, alt: "", draggable: false, loading: "lazy" });

const initial = ({ kind, name }) =>
  element(
    "span",
    { className: "face", "aria-hidden": "true" },
    kind === "unknowns" ? "?" : name.charAt(0).toUpperCase(),
  );

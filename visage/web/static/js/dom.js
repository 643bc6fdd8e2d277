// Elements without markup in strings: nothing that was sent here can become code.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties (`class`, `onclick`, `aria-label`, ...) and children (elements or text). */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function drawing(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

export const byId = (id) => document.getElementById(id);

/**
 * Make a list's children follow `items`, keeping the elements of those that stay, so that focus and drags survive.
 * `make(item)` gives an element with an `update(item)`.
 */
export function follow(list, items, keyOf, make) {
  const before = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const child = before.get(key) ?? make(item);
    before.delete(key);
    child.dataset.key = key;
    child.update(item);
    if (child === place) {
      place = place.nextElementSibling;
    } else {
      list.insertBefore(child, place);
    }
  }
  for (const gone of before.values()) {
    gone.remove();
  }
}

function fill(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
    } else if (name in made && name !== "list" && !(made instanceof SVGElement)) {
      made[name] = value;
    } else {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

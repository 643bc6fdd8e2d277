// Search by dropping or choosing a picture.

import { post } from "./api.js";
import { byId, element } from "./dom.js";
import { moment, plural } from "./format.js";
import { view } from "./router.js";

const MOST_BYTES = 16 * 2 ** 20;

let picture = null;

export function begin() {
  view("search");
  const drop = byId("drop");
  byId("search-picture").addEventListener("change", (event) => take(event.target.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("target");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("target"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("target");
    take(event.dataTransfer.files[0]);
  });
  for (const filter of ["search-source", "search-since"]) {
    byId(filter).addEventListener("change", () => picture && search());
  }
  byId("search-form").addEventListener("submit", (event) => event.preventDefault());
}

function take(file) {
  if (!file) {
    return;
  }
  picture = file;
  const preview = byId("search-preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  byId("drop-text").textContent = "Drop or choose another picture to search again.";
  search();
}

async function search() {
  const outcome = byId("search-outcome");
  const list = byId("matches");
  list.replaceChildren();
  if (picture.size > MOST_BYTES) {
    outcome.textContent = "This file is too large.";
    return;
  }
  outcome.textContent = "Searching …";
  const form = new FormData();
  form.set("picture", picture);
  try {
    const matches = await post(`/search?${query()}`, form);
    outcome.textContent = matches.length
      ? plural(matches.length, "sighting") + ", most alike first"
      : "No similar face was seen.";
    list.replaceChildren(...matches.map(makeRow));
  } catch (error) {
    outcome.textContent = error.message;
  }
}

function query() {
  const wanted = new URLSearchParams({ limit: "50" });
  const source = byId("search-source").value;
  const since = byId("search-since").value;
  if (source) {
    wanted.set("source", source);
  }
  if (since) {
    wanted.set("since", new Date(Date.now() - Number(since) * 1000).toISOString());
  }
  return wanted;
}

function makeRow({ sighting, similarity }) {
  const alike = similarity.toFixed(2);
  return element(
    "li",
    {},
    element("span", { className: `dot ${sighting.person_id ? "known" : "unknown"}`, "aria-hidden": "true" }),
    element(
      "div",
      { className: "what" },
      element("strong", {}, sighting.name),
      element("small", {}, sighting.source_id),
    ),
    element("time", { dateTime: sighting.started_at }, moment(sighting.started_at)),
    element("meter", {
      className: "likeness",
      min: 0,
      max: 1,
      value: Math.max(0, similarity),
      "aria-label": `similarity ${alike}`,
    }),
    element("output", {}, alike),
  );
}

// People and unknowns: shown, named, merged, forgotten.

import { get } from "./api.js";
import { makeCard } from "./card.js";
import { byId, follow } from "./dom.js";
import * as drag from "./drag.js";
import { on } from "./events.js";
import { ago, plural } from "./format.js";
import * as questions from "./people-questions.js";
import { view } from "./router.js";
import { may } from "./session.js";

let people = [];
let isShown = false;

export function begin() {
  view("people", {
    shown: () => {
      isShown = true;
      load();
    },
    left: () => {
      isShown = false;
    },
  });
  on("track_ended", () => isShown && load());
  byId("add-person").addEventListener("click", () => questions.add().then(load));
  drag.begin(byId("people-content"), {
    isAllowed: (dragged, target) =>
      may("operator") && (target.kind === "people" || dragged.kind === "unknowns"),
    onDrop: (dragged, target) => join(dragged, target).then(load),
  });
}

async function load() {
  try {
    const [known, unknown] = await Promise.all([get("/people"), get("/unknowns")]);
    people = known;
    show("known", known.map(aboutPerson));
    show("unknowns", unknown.map(aboutUnknown));
    byId("people-content").hidden = false;
    byId("people-missing").hidden = true;
  } catch (error) {
    byId("people-missing").textContent = error.message;
    byId("people-missing").hidden = false;
    byId("people-content").hidden = error.status === 503;
  }
}

function show(list, abouts) {
  follow(byId(list), abouts, (about) => about.id, makeCard);
  for (const card of byId(list).children) {
    card.draggable = may("operator");
  }
  byId(`no-${list}`).hidden = abouts.length > 0;
}

function aboutPerson(person) {
  const seen = person.last_seen ? `, last ${when(person.last_seen)}` : "";
  return {
    id: person.person_id,
    kind: "people",
    name: person.name,
    portrait: person.has_portrait,
    facts: `${plural(person.sightings, "sighting")}${seen}`,
    actions: [
      ...(may("operator")
        ? [
            ["Rename", then(questions.rename), "plain"],
            ["Merge", then(merge), "plain"],
          ]
        : []),
      ...(may("admin") ? [["Forget", then(questions.forget), "faint"]] : []),
    ],
  };
}

function aboutUnknown(unknown) {
  return {
    id: unknown.unknown_id,
    kind: "unknowns",
    name: unknown.label,
    portrait: unknown.has_portrait,
    facts: [plural(unknown.sightings, "sighting"), unknown.sources.join(", ")].filter(Boolean).join(" · "),
    actions: may("operator") ? [["Name", then((about) => questions.name(about, people)), ""]] : [],
  };
}

/** A question, after which the lists are read again. */
const then = (question) => (about) => question(about).then(load);

const merge = (about) => questions.merge(about, people);

/** What dropping one card on another means: two people become one, an unknown becomes a person. */
function join(dragged, target) {
  if (dragged.kind === "people") {
    return questions.confirmMerge(target, dragged);
  }
  return target.kind === "people"
    ? questions.confirmName(dragged, target)
    : questions.nameBoth(dragged, target, people);
}

function when(time) {
  const passed = ago(time);
  return passed === "now" ? "just now" : `${passed} ago`;
}

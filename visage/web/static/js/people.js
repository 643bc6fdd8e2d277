// People and unknowns: shown, named, merged, forgotten.

import { get, getPage } from "./api.js";
import { makeCard } from "./card.js";
import { byId, follow } from "./dom.js";
import * as drag from "./drag.js";
import { on } from "./events.js";
import { ago, count, plural } from "./format.js";
import * as questions from "./people-questions.js";
import { view } from "./router.js";
import { may } from "./session.js";

const PAGE = 60;
const TYPING_MILLISECONDS = 150;

let isShown = false;
let cursors = [null]; // where each page begins, up to the one that is shown
let next = null;
let asked = 0;
let typing = 0;

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
  byId("find-person").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => turnTo([null]), TYPING_MILLISECONDS);
  });
  byId("next-people").addEventListener("click", () => turnTo([...cursors, next]));
  byId("previous-people").addEventListener("click", () => turnTo(cursors.slice(0, -1)));
  drag.begin(byId("people-content"), {
    isAllowed: (dragged, target) =>
      may("operator") && (target.kind === "people" || dragged.kind === "unknowns"),
    onDrop: (dragged, target) => join(dragged, target).then(load),
  });
}

function turnTo(pages) {
  cursors = pages;
  return load();
}

async function load() {
  const search = byId("find-person").value;
  const query = new URLSearchParams({ search, limit: PAGE });
  if (cursors.at(-1) !== null) {
    query.set("cursor", cursors.at(-1));
  }
  asked += 1;
  const number = asked;
  try {
    const [known, unknown] = await Promise.all([getPage(`/people?${query}`), get("/unknowns")]);
    if (number !== asked) {
      return; // a later answer is on its way, or was faster
    }
    showPage(known, search);
    show("unknowns", unknown.slice(0, PAGE).map(aboutUnknown));
    byId("more-unknowns").textContent =
      unknown.length > PAGE ? `${count(unknown.length - PAGE)} more were seen for a shorter time.` : "";
    byId("people-content").hidden = false;
    byId("people-missing").hidden = true;
  } catch (error) {
    if (error.status === 404 && cursors.length > 1) {
      turnTo([null]); // the person after whom this page begins is gone
      return;
    }
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

function showPage({ items, total, next: following }, search) {
  next = following;
  show("known", items.map(aboutPerson));
  byId("no-known").textContent = search ? "No matching names." : "No one has a name yet.";
  const first = (cursors.length - 1) * PAGE + 1;
  byId("people-range").textContent =
    total > items.length ? `${count(first)} to ${count(first + items.length - 1)} of ${count(total)}` : "";
  byId("previous-people").hidden = cursors.length === 1;
  byId("next-people").hidden = next === null;
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
            ["Merge", then(questions.merge), "plain"],
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
    actions: may("operator") ? [["Name", then(questions.name), ""]] : [],
  };
}

/** A question, after which the lists are read again; whoever has no mouse goes on where the card was. */
const then = (question) => async (about) => {
  await question(about);
  await load();
  if (document.activeElement === document.body) {
    byId("find-person").focus();
  }
};

/** What dropping one card on another means: two people become one, an unknown becomes a person. */
function join(dragged, target) {
  if (dragged.kind === "people") {
    return questions.confirmMerge(target, dragged);
  }
  return target.kind === "people"
    ? questions.confirmName(dragged, target)
    : questions.nameBoth(dragged, target);
}

function when(time) {
  const passed = ago(time);
  return passed === "now" ? "just now" : `${passed} ago`;
}

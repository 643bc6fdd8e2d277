// What is asked before a person is named, merged, enrolled or forgotten. Each one resolves when it is answered.

import { get, patch, path, post, remove } from "./api.js";
import { ask, field } from "./dialog.js";
import { element } from "./dom.js";
import { plural } from "./format.js";
import { toast } from "./toast.js";

const SUGGESTED = 20;

export function rename(person) {
  return ask({
    title: `Rename ${person.name}`,
    fields: [field("Name", nameInput(person.name))],
    action: "Rename",
    submit: (form) => patch(path`/people/${person.id}`, { name: nameIn(form) }),
  });
}

export function merge(person) {
  return ask({
    title: `Merge ${person.name} into another`,
    text: `All sightings and pictures of ${person.name} become the other's, who keeps the name.`,
    fields: nameChooser("Who is the same person?"),
    action: "Merge",
    danger: true,
    submit: async (form) => {
      const wanted = nameIn(form);
      const found = await peopleLike(wanted, 500);
      const kept = found.find((other) => other.name.toLowerCase() === wanted.toLowerCase());
      if (!kept) {
        throw new Error(`There is no person named ${wanted}.`);
      }
      await post(path`/people/${kept.person_id}/merge`, { merged_id: person.id });
    },
  });
}

export function confirmMerge(kept, merged) {
  return ask({
    title: `Are ${merged.name} and ${kept.name} the same person?`,
    text: `All sightings and pictures of ${merged.name} become ${kept.name}'s.`,
    action: "Merge",
    danger: true,
    submit: () => post(path`/people/${kept.id}/merge`, { merged_id: merged.id }),
  });
}

export function name(unknown) {
  return askName(`Who is ${unknown.name}?`, (wanted) => nameUnknown(unknown, wanted));
}

export function nameBoth(first, second) {
  return askName(`${first.name} and ${second.name} are the same person: who?`, async (wanted) => {
    await nameUnknown(first, wanted);
    await nameUnknown(second, wanted);
  });
}

export function confirmName(unknown, person) {
  return ask({
    title: `Is ${unknown.name} ${person.name}?`,
    text: `Past and future sightings of ${unknown.name} become ${person.name}'s.`,
    action: `It is ${person.name}`,
    submit: () => nameUnknown(unknown, person.name),
  });
}

export function add() {
  const pictures = element("input", {
    type: "file",
    name: "pictures",
    required: true,
    multiple: true,
    accept: "image/jpeg,image/png,image/webp,image/heic,image/heif,image/avif,image/tiff,.heic,.heif",
  });
  return ask({
    title: "Add a person",
    text: "Pictures with one face each; several from different days make recognition better.",
    fields: [field("Name", nameInput()), field("Pictures", pictures)],
    action: "Add",
    submit: (form) => {
      form.set("name", nameIn(form));
      return post("/people", form);
    },
  });
}

export function forget(person) {
  return ask({
    title: `Forget ${person.name}?`,
    text: "Name, pictures, sightings and vectors are removed. This can't be undone.",
    action: "Forget",
    danger: true,
    submit: async () => {
      const { waiting_vectors: waiting = 0, ...removed } = await remove(path`/people/${person.id}`);
      const parts = Object.entries(removed).map(([what, number]) =>
        plural(number, what.replace(/s$/, "").replaceAll("_", " ")),
      );
      const later = waiting ? ` ${plural(waiting, "vector")} will leave the index when it can be reached.` : "";
      toast(`${person.name} is forgotten: ${parts.join(", ")} removed.${later}`);
    },
  });
}

/** A field for a name that suggests those which have what was typed in them. */
function nameChooser(label) {
  const known = element("datalist", { id: "known-names" });
  const input = nameInput();
  input.setAttribute("list", "known-names");
  const suggest = async () => {
    const typed = input.value.trim();
    const found = await peopleLike(typed, SUGGESTED).catch(() => []);
    if (typed === input.value.trim()) {
      known.replaceChildren(...found.map((person) => element("option", { value: person.name })));
    }
  };
  input.addEventListener("input", suggest);
  suggest();
  return [field(label, input), known];
}

const peopleLike = (text, limit) => get(`/people?${new URLSearchParams({ search: text, limit })}`);

function askName(title, submit) {
  return ask({
    title,
    text: "A name that exists adds the sightings to that person.",
    fields: nameChooser("Name"),
    action: "Save",
    submit: (form) => submit(nameIn(form)),
  });
}

const nameUnknown = (unknown, wanted) => post(path`/unknowns/${unknown.id}/name`, { name: wanted });

const nameInput = (value = "") =>
  element("input", {
    type: "text",
    name: "name",
    required: true,
    maxLength: 120,
    autocomplete: "off",
    value,
  });

const nameIn = (form) => form.get("name").trim();

// What is asked before a person is named, merged, enrolled or forgotten. Each one resolves when it is answered.

import { patch, path, post, remove } from "./api.js";
import { ask, field } from "./dialog.js";
import { element } from "./dom.js";
import { plural } from "./format.js";
import { toast } from "./toast.js";

export function rename(person) {
  return ask({
    title: `Rename ${person.name}`,
    fields: [field("Name", nameInput(person.name))],
    action: "Rename",
    submit: (form) => patch(path`/people/${person.id}`, { name: nameIn(form) }),
  });
}

export function merge(person, people) {
  const others = people.filter((other) => other.person_id !== person.id);
  const options = others.map((other) => element("option", { value: other.person_id }, other.name));
  return ask({
    title: `Merge ${person.name} into another`,
    text: `All sightings and pictures of ${person.name} become the other's, who keeps the name.`,
    fields: [
      field("Who is the same person?", element("select", { name: "kept", required: true }, ...options)),
    ],
    action: "Merge",
    danger: true,
    submit: (form) => post(path`/people/${form.get("kept")}/merge`, { merged_id: person.id }),
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

export function name(unknown, people) {
  return askName(`Who is ${unknown.name}?`, people, (wanted) => nameUnknown(unknown, wanted));
}

export function nameBoth(first, second, people) {
  return askName(`${first.name} and ${second.name} are the same person: who?`, people, async (wanted) => {
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

function askName(title, people, submit) {
  const known = element(
    "datalist",
    { id: "known-names" },
    ...people.map((person) => element("option", { value: person.name })),
  );
  const input = nameInput();
  input.setAttribute("list", "known-names");
  return ask({
    title,
    text: "A name that exists adds the sightings to that person.",
    fields: [field("Name", input), known],
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

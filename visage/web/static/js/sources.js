// The sources: state and reason, throughput, and what an operator may do with them.

import { get, path, post, remove } from "./api.js";
import { ask, field } from "./dialog.js";
import { byId, element, follow } from "./dom.js";
import { on } from "./events.js";
import { count } from "./format.js";
import { view } from "./router.js";
import { may } from "./session.js";
import { makeSparkline } from "./sparkline.js";
import { stateChip } from "./state.js";
import { attempt } from "./toast.js";

const SAMPLES = 90;

const series = new Map();

export async function begin() {
  view("sources");
  byId("add-source").addEventListener("click", add);
  const { fps } = await get("/throughput");
  for (const [id, samples] of Object.entries(fps)) {
    series.set(id, samples);
  }
  on("status", ({ sources }) => {
    for (const source of sources) {
      series.set(source.source_id, [...(series.get(source.source_id) ?? []), source.fps].slice(-SAMPLES));
    }
    const ids = new Set(sources.map((source) => source.source_id));
    [...series.keys()].filter((id) => !ids.has(id)).forEach((id) => series.delete(id));
    update(sources);
  });
}

export function update(sources) {
  follow(byId("source-list"), sources, (source) => source.source_id, makeRow);
  byId("no-sources").hidden = sources.length > 0;
  const choice = byId("search-source");
  const ids = sources.filter((source) => source.kind !== "folder").map((source) => source.source_id);
  if (
    ids.join("\n") !==
    [...choice.options]
      .slice(1)
      .map((option) => option.value)
      .join("\n")
  ) {
    const chosen = choice.value;
    choice.replaceChildren(choice.options[0], ...ids.map((id) => element("option", { value: id }, id)));
    choice.value = ids.includes(chosen) ? chosen : "";
  }
}

function makeRow({ source_id: id }) {
  const chip = element("span", { className: "chip" });
  const address = element("small", { className: "address" });
  const reason = element("p", { className: "reason" });
  const sparkline = makeSparkline();
  const rate = element("output", { "aria-label": "frames a second" });
  const numbers = element("dl", { className: "numbers" });
  const toggle = element("button", { type: "button", className: "plain" });
  const drop = element(
    "button",
    { type: "button", className: "faint", "aria-label": `Remove ${id}` },
    "Remove",
  );
  const row = element(
    "li",
    {},
    element(
      "div",
      {},
      element("div", { className: "title" }, element("strong", {}, id), chip),
      address,
      reason,
    ),
    element("div", { className: "spark" }, sparkline, rate),
    numbers,
    element("div", { className: "actions" }, toggle, drop),
  );
  let paused = false;
  toggle.addEventListener("click", () =>
    attempt(async () => row.update(await post(path`/sources/${id}/` + (paused ? "resume" : "pause")))),
  );
  drop.addEventListener("click", () => confirmRemoval(id));
  row.update = (source) => {
    paused = source.state === "paused";
    stateChip(chip, source.state);
    address.textContent = source.address;
    reason.textContent = source.reason;
    sparkline.draw(series.get(id) ?? []);
    rate.textContent = `${source.fps.toFixed(1)} fps`;
    numbers.replaceChildren(...facts(source));
    toggle.textContent = paused ? "Resume" : "Pause";
    toggle.setAttribute("aria-label", `${toggle.textContent} ${id}`);
    // A file is worked on to its end.
    toggle.hidden = drop.hidden = !may("operator") || source.kind === "file";
  };
  return row;
}

function facts(source) {
  const shown = [
    ["frames", count(source.frames)],
    ["faces", count(source.faces)],
    ["dropped", count(source.dropped)],
  ];
  if (source.reconnects) {
    shown.push(["reconnects", count(source.reconnects)]);
  }
  if (source.latency_seconds !== null) {
    shown.push(["latency", `${Math.round(source.latency_seconds * 1000)} ms`]);
  }
  return shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

function confirmRemoval(id) {
  return ask({
    title: `Remove ${id}?`,
    text: "It is watched again after a restart if the configuration names it.",
    action: "Remove",
    danger: true,
    submit: () => remove(path`/sources/${id}`),
  });
}

function add() {
  return ask({
    title: "Add a source",
    text: "A camera's address or a file's path on the daemon's machine; the configuration says which are allowed.",
    fields: [
      field(
        "Address",
        element("input", {
          type: "text",
          name: "uri",
          required: true,
          placeholder: "rtsp://…",
          autocomplete: "off",
        }),
      ),
      field(
        "Name",
        element("input", {
          type: "text",
          name: "source_id",
          placeholder: "from the address",
          pattern: "[\\w.+\\-]+",
        }),
      ),
    ],
    action: "Add",
    submit: (form) =>
      post("/sources", { uri: form.get("uri").trim(), source_id: form.get("source_id").trim() || null }),
  });
}

// Who was seen recently: tracks as events tell them, newest first.

import { get } from "./api.js";
import { byId, element, follow } from "./dom.js";
import { on, onConnection } from "./events.js";
import { ago, moment, seconds } from "./format.js";
import { attempt } from "./toast.js";

const SHOWN = 30;
const REFRESH_MILLISECONDS = 5000;

const tracks = new Map();

export function begin() {
  for (const kind of ["track_started", "track_identified", "track_ended"]) {
    on(kind, (event) => {
      take(event);
      render();
    });
  }
  on("lost", () => attempt(load));
  on("source_state", ({ source, state }) => {
    for (const track of tracks.values()) {
      track.ended ||= track.source === source && state !== "running"; // no one is in view of a lost camera
    }
    render();
  });
  // Read again whenever the stream begins: what happened before it does not come with it.
  onConnection((isConnected) => isConnected && attempt(load));
  setInterval(render, REFRESH_MILLISECONDS);
}

async function load() {
  const recent = await get("/events/recent?limit=200");
  recent.reverse().forEach(take);
  render();
}

function take(event) {
  if (!event.track) {
    return;
  }
  const key = `${event.source}/${event.track.id}`;
  // A source that was opened anew counts its tracks from 1 again.
  const before = event.type === "track_started" ? undefined : tracks.get(key);
  const track = before ?? {
    key,
    source: event.source,
    number: event.track.id,
    began: event.time,
    seconds: 0,
  };
  tracks.delete(key); // to the end: maps keep the order of insertion
  tracks.set(key, track);
  track.at = event.time;
  track.name = event.person?.name ?? track.name;
  track.known = event.person ? Boolean(event.person.id) : track.known;
  track.ended = event.type === "track_ended";
  if (track.ended) {
    track.seconds = event.track.end_seconds - event.track.seconds;
  }
  if (tracks.size > 4 * SHOWN) {
    tracks.delete(tracks.keys().next().value);
  }
}

function render() {
  const newest = [...tracks.values()].reverse().slice(0, SHOWN);
  follow(byId("tracks"), newest, (track) => track.key, makeRow);
  byId("no-tracks").hidden = newest.length > 0;
}

function makeRow() {
  const dot = element("span", { className: "dot", "aria-hidden": "true" });
  const name = element("strong");
  const where = element("small");
  const when = element("time");
  const row = element("li", {}, dot, element("div", { className: "what" }, name, where), when);
  row.update = (track) => {
    name.textContent = track.name || `Track #${track.number}`;
    where.textContent = track.ended
      ? `${track.source}, for ${seconds(track.seconds)}`
      : `${track.source}, in view`;
    dot.className = `dot ${track.known ? "known" : "unknown"} ${track.ended ? "" : "now"}`;
    when.dateTime = track.at;
    when.title = moment(track.at);
    when.textContent = ago(track.at);
  };
  return row;
}

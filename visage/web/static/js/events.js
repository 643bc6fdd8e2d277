// The daemon's events, shared by the views; the browser connects again by itself and goes on after the last one.

import { address } from "./api.js";

const KINDS = ["track_started", "track_identified", "track_ended", "source_state", "status", "lost"];

const handlers = new Map(KINDS.map((kind) => [kind, []]));
const stateHandlers = [];
let stream = null;

/** Call `handler(data)` for every event of a kind. */
export function on(kind, handler) {
  handlers.get(kind).push(handler);
}

/** Call `handler(isConnected)` when the connection comes and goes. */
export function onConnection(handler) {
  stateHandlers.push(handler);
}

export function begin() {
  stream = new EventSource(address("/events"));
  stream.addEventListener("open", () => stateHandlers.forEach((handler) => handler(true)));
  stream.addEventListener("error", () => {
    stateHandlers.forEach((handler) => handler(false));
    if (stream.readyState === EventSource.CLOSED) {
      // An answer that was no stream (a token revoked, too many viewers): the browser gives up, we do not.
      setTimeout(begin, 5000);
    }
  });
  for (const kind of KINDS) {
    stream.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      handlers.get(kind).forEach((handler) => handler(data));
    });
  }
}

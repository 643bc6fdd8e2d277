// Whether frames go through, in the bar.

import { get } from "./api.js";
import { byId } from "./dom.js";
import { on, onConnection } from "./events.js";

const ASK_MILLISECONDS = 10_000;

export function begin() {
  onConnection((isConnected) => (isConnected ? ask() : tell("bad", "No connection")));
  on("source_state", ask);
  setInterval(ask, ASK_MILLISECONDS);
  return ask();
}

async function ask() {
  try {
    const status = await get("/status");
    tell(status.ready ? "good" : "bad", status.ready ? "Running" : status.reason || "Not ready");
  } catch (error) {
    tell("bad", error.message);
  }
}

function tell(kind, text) {
  const health = byId("health");
  if (health.textContent !== text) {
    health.textContent = text;
  }
  health.className = `health ${kind}`;
}

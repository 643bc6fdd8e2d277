// Whether frames go through, in the bar; a camera that is lost is said there, too.

import { get } from "./api.js";
import { byId } from "./dom.js";
import { on, onConnection } from "./events.js";
import { count } from "./format.js";

const LOST = new Set(["reconnecting", "connecting", "failed"]);
const ASK_MILLISECONDS = 10_000;

export function begin() {
  onConnection((isConnected) => (isConnected ? ask() : tell("bad", "No connection")));
  on("source_state", ask);
  setInterval(ask, ASK_MILLISECONDS);
  return ask();
}

async function ask() {
  try {
    const [status, sources] = await Promise.all([get("/status"), get("/sources")]);
    const lost = sources.filter(({ kind, state }) => kind === "camera" && LOST.has(state));
    if (!status.ready) {
      tell("bad", status.reason || "Not ready");
    } else if (lost.length > 0) {
      const state = lost[0].state === "connecting" ? "is not there yet" : "is lost";
      tell("bad", lost.length > 1 ? `${count(lost.length)} cameras are lost` : `${lost[0].source_id} ${state}`);
    } else {
      tell("good", "Running");
    }
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

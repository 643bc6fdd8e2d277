// The live view: a tile for every source that has pictures, fed by one stream while somebody can see it.

import { on } from "./events.js";
import { byId, follow } from "./dom.js";
import { watch } from "./live-stream.js";
import { view } from "./router.js";
import { makeTile } from "./tile.js";

const tiles = new Map();
let stream = null;
let isShown = false;

export function begin() {
  on("status", ({ sources }) => update(sources));
  view("live", {
    shown: () => {
      isShown = true;
      connect();
    },
    left: () => {
      isShown = false;
      disconnect();
    },
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
}

/** Follow the sources; a folder has no pictures of its own. */
export function update(sources) {
  const watched = sources.filter((source) => source.kind !== "folder");
  follow(
    byId("tiles"),
    watched,
    (source) => source.source_id,
    (source) => {
      const tile = makeTile(source);
      tiles.set(source.source_id, tile);
      return tile;
    },
  );
  const ids = new Set(watched.map((source) => source.source_id));
  for (const id of tiles.keys()) {
    if (!ids.has(id)) {
      tiles.delete(id);
    }
  }
  byId("no-tiles").hidden = watched.length > 0;
}

function connect() {
  if (isShown && !document.hidden && stream === null) {
    stream = new AbortController();
    watch((head, blob) => tiles.get(head.source)?.show(head, blob), stream.signal);
  }
}

function disconnect() {
  stream?.abort();
  stream = null;
}

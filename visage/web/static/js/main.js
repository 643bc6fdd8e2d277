// The page's beginning: find out who is looking, then give every view its data.

import { get } from "./api.js";
import * as events from "./events.js";
import * as health from "./health.js";
import * as people from "./people.js";
import * as router from "./router.js";
import * as search from "./search.js";
import * as session from "./session.js";
import * as sources from "./sources.js";
import * as theme from "./theme.js";
import * as tiles from "./tiles.js";
import { toast } from "./toast.js";
import * as tracks from "./tracks.js";

async function begin() {
  theme.begin();
  await session.begin();
  tiles.begin();
  people.begin();
  search.begin();
  tracks.begin();
  events.begin();
  await Promise.all([health.begin(), sources.begin()]);
  const all = await get("/sources");
  tiles.update(all);
  sources.update(all);
  router.begin();
}

begin().catch((error) => toast(error.message));

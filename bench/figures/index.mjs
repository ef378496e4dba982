// The figures, in the order in which they are measured. A new one is its own file and one line here.
import * as chaos from "./chaos.mjs";
import * as checkpoint from "./checkpoint.mjs";
import * as dashboard from "./dashboard.mjs";
import * as diff from "./diff.mjs";
import * as drain from "./drain.mjs";
import * as epss from "./epss.mjs";
import * as feeds from "./feeds.mjs";
import * as hostile from "./hostile.mjs";
import * as load from "./load.mjs";
import * as lua from "./lua.mjs";
import * as memory from "./memory.mjs";
import * as peers from "./peers.mjs";
import * as permits from "./permits.mjs";
import * as postgres from "./postgres.mjs";
import * as prefetch from "./prefetch.mjs";
import * as resume from "./resume.mjs";
import * as resync from "./resync.mjs";
import * as rss from "./rss.mjs";
import * as scale from "./scale.mjs";
import * as serve from "./serve.mjs";

export const figures = [
  load,
  feeds,
  resync,
  peers,
  scale,
  diff,
  memory,
  epss,
  checkpoint,
  rss,
  hostile,
  lua,
  permits,
  prefetch,
  resume,
  drain,
  chaos,
  dashboard,
  serve,
  postgres,
];

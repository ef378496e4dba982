/** A snapshot source, complete in this file: what `src/providers/registry.ts` would list in one line. */

import { recordShape } from "../../src/providers/formats/records.ts";
import { readJsonLines } from "../../src/providers/formats/text.ts";
import { snapshotProvider } from "../../src/providers/snapshot/provider.ts";

export const tiny = snapshotProvider({
  name: "tiny",
  authority: "example",
  version: 1,
  upstream: {
    defaultUrl: "https://example.org/all.ndjson",
    urlEnv: "UEE_TINY_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  record: recordShape({ lists: ["tags"], objects: [] }),
  async *read(bytes) {
    yield* readJsonLines(bytes);
    return { version: "7" };
  },
  identify: (raw) => (raw as { id?: string } | null)?.id,
  normalizeId: (text) => (/^TINY-\d+$/i.test(text) ? text.toUpperCase() : undefined),
  nearIds: (text) => (/^TINY\d+$/.test(text) ? [text.replace("TINY", "TINY-")] : []),
  example: { id: "TINY-1", record: { id: "TINY-1" } },
});

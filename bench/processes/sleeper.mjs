// A provider for measuring: every batch fetches for a while and is worked on for a while, and nothing else. Its upstream
// is the simulator's CVE address (for a request that is real and counted) or, without `address`, a mere wait.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

export function sleeper({ batches, fetchMs, workMs, records = 1, address }) {
  const batch = z.strictObject({ n: z.number() });
  return {
    name: "sleeper",
    authority: "bench",
    version: 1,
    kind: "snapshot",
    upstream: {
      defaultUrl: address ?? "http://127.0.0.1:9/",
      urlEnv: "UEE_SLEEPER_URL",
      rate: { max: 50, windowMs: 30_000 },
    },
    batch,
    record: z.looseObject({ id: z.string() }),
    pageSize: records,
    plan: () =>
      Array.from({ length: batches }, (_, n) => ({ key: `slice/${n}`, size: records, payload: { n } })),
    async extract({ n }, { fetcher, url, signal }) {
      let fetchedAt = Date.now() * 1000;
      if (address === undefined) await sleep(fetchMs, undefined, { signal });
      else {
        // The simulator itself waits `fetchMs` before it answers.
        const request = { url: `${url}?resultsPerPage=1&startIndex=${n}`, maxBytes: 1e7, expect: "json" };
        ({ fetchedAt } = await fetcher.fetch(request));
      }
      return {
        records: Array.from({ length: records }, (_, i) => ({ id: `S-${n}-${i}` })),
        fetchedAt,
        facts: { group: "all", total: batches * records },
      };
    },
    transform: (raw) => {
      const until = performance.now() + workMs / records;
      while (performance.now() < until);
      return { id: raw.id, lastModified: null, aliases: [], data: raw };
    },
    identify: (raw) => raw?.id,
    verify: ({ startedAt }) => ({ kind: "verified", watermark: startedAt }),
    normalizeId: (id) => id,
  };
}

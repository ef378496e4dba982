// The record store by itself, without runs and queues around it.
import { fromDist } from "./places.mjs";

const PAGE = 2_000;
const attempt = { runId: "bench", batchKey: "bench", fence: 1, pass: 1 };

/** A fresh store of one provider on this Redis. `commit(records, fetchedAt)` returns the sums of its results. */
export async function openStore(redis, provider) {
  const { makeProviderRecords } = await fromDist("records/index.js");
  const { makeKeys } = await fromDist("redis/keys.js");
  await redis.flushall();
  const keys = makeKeys("bench").provider(provider.name);
  const run = keys.run(attempt.runId);
  await redis.hset(run.run, "state", "open");
  await redis.hset(run.fences, attempt.batchKey, attempt.fence);
  const store = makeProviderRecords({ redis, keys, provider, changesLimit: 1_000_000 });
  return {
    async commit(records, fetchedAt) {
      const total = { created: 0, updated: 0, unchanged: 0, bytesWritten: 0 };
      for (let at = 0; at < records.length; at += PAGE) {
        const page = records.slice(at, at + PAGE).map((record) => ({ ...record, fetchedAt }));
        const result = await store.commit(attempt, page, {
          staleness: "fetch-order",
          acceptRepeatedRegression: false,
        });
        for (const name of Object.keys(total)) total[name] += result[name];
      }
      return total;
    },
  };
}

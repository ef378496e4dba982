/** Reads what the verifier's model starts from: at every start of a Redis, directly, before any other client connects. */
import type { Redis } from "ioredis";
import { INDEX_BUCKETS } from "../../../src/redis/indexBuckets.ts";
import { makeKeys, type ProviderKeys } from "../../../src/redis/keys.ts";
import { standIns, type Upstream, upstreamNames } from "../../../src/simulator/types.ts";
import type { ProviderSnapshot, Snapshot, Version } from "../history.ts";
import { fleetNameOf } from "../plan.ts";
import { leaseOf, versionOf } from "../tap/effects.ts";

/** All buckets of the index, read with plain commands. */
export async function indexOf(redis: Redis, keys: ProviderKeys): Promise<Version[]> {
  const buckets = Array.from({ length: INDEX_BUCKETS }, (_, bucket) =>
    redis.hgetallBuffer(`${keys.indexPrefix}${bucket}`),
  );
  return (await Promise.all(buckets)).flatMap((bucket) =>
    Object.entries(bucket).map(([id, packed]) => versionOf(id, packed.toString("latin1"))),
  );
}

/** @param of the client of the server that has the key */
export async function takeSnapshot(of: (key: string) => Redis, prefix: string): Promise<Snapshot> {
  const keys = makeKeys(prefix);
  const snapshot: Snapshot = { providers: {}, machines: {}, leases: {}, breakers: {} };
  for (const name of upstreamNames) {
    const store = of(keys.provider(name).tag);
    snapshot.providers[name] = await providerSnapshot(store, prefix, name);
  }
  for (const [machine, key] of [
    ["macro", keys.macroMachine],
    ...upstreamNames.map((name) => [name, keys.provider(name).machine]),
  ] as [string, string][]) {
    const [state, version] = await of(key).hmget(key, "state", "version");
    if (state) snapshot.machines[machine] = { state, version: Number(version ?? 0) };
  }
  for (const name of standIns.map(fleetNameOf)) {
    const { breaker } = keys.upstream(name);
    const [state, version] = await of(breaker).hmget(breaker, "state", "version");
    if (state) snapshot.breakers[name] = { state, version: Number(version ?? 0) };
  }
  for (const [lease, facts] of Object.entries(await of(keys.permits.leases).hgetall(keys.permits.leases))) {
    snapshot.leases[lease] = leaseOf(facts);
  }
  return snapshot;
}

async function providerSnapshot(redis: Redis, prefix: string, name: Upstream): Promise<ProviderSnapshot> {
  const keys = makeKeys(prefix).provider(name);
  const { changeSeq = "0", ...meta } = await redis.hgetall(keys.meta);
  const runs: ProviderSnapshot["runs"] = {};
  for (const id of await runIds(redis, keys)) {
    const run = keys.run(id);
    runs[id] = {
      fields: await redis.hgetall(run.run),
      statuses: await redis.hgetall(run.status),
      fences: await redis.hgetall(run.fences),
      order: await redis.hgetall(run.order),
    };
  }
  return {
    openRun: await redis.get(keys.openRun),
    meta: { ...meta, changeSeq },
    versions: await indexOf(redis, keys),
    failed: await redis.zrange(`${keys.queue.prefix}:${keys.queue.name}:failed`, "0", "-1"),
    letters: await lettersOf(redis, keys.deadLetters.index, keys.deadLetters.one),
    runs,
  };
}

/** Every run that there is, ordinary or of replays, waiting ones too. */
export async function runIds(redis: Redis, keys: ProviderKeys): Promise<string[]> {
  const base = keys.run("").run;
  const found = new Set<string>();
  for await (const page of redis.scanStream({ match: `${base}*`, count: 1_000 })) {
    for (const key of page as string[]) found.add(key.slice(base.length).split(":")[0]!);
  }
  return [...found].sort();
}

export async function lettersOf(
  redis: Redis,
  index: string,
  one: (id: string) => string,
): Promise<Record<string, Record<string, string>>> {
  const letters: Record<string, Record<string, string>> = {};
  for (const id of await redis.zrange(index, "0", "-1")) letters[id] = await redis.hgetall(one(id));
  return letters;
}

/** The final state, read in peace: the store beside the upstream, and everything that refers to anything. */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { Engine } from "../../../src/engine/api.ts";
import { findProvider } from "../../../src/providers/registry.ts";
import { makeProviderRecords } from "../../../src/records/index.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import type { Upstream } from "../../../src/simulator/types.ts";
import { linksApart } from "../../support/linkIndex.ts";
import { storedText, upstreamText } from "../../support/storedEqual.ts";
import { exported } from "../../support/testEngine.ts";
import type { FinalProvider } from "../history.ts";
import { pairsOf } from "../tap/monitorLine.ts";
import type { ChaosSimulator } from "./simulator.ts";
import { indexOf, lettersOf, runIds } from "./snapshot.ts";

const digests = <T>(records: Iterable<[string, T]>, text: (record: T) => string): Record<string, string> =>
  Object.fromEntries(
    [...records].map(([id, record]) => [
      id,
      createHash("sha1").update(text(record)).digest("hex").slice(0, 16),
    ]),
  );

export async function readFinal(
  options: { redis: Redis; prefix: string; engine: Engine; simulator: ChaosSimulator },
  provider: Upstream,
): Promise<FinalProvider> {
  const { redis, engine } = options;
  const keys = makeKeys(options.prefix).provider(provider);
  const job = (id: string): string => `${keys.queue.prefix}:${keys.queue.name}:${id}`;
  const runs: FinalProvider["runs"] = {};
  for (const id of await runIds(redis, keys)) {
    runs[id] = {
      fields: await redis.hgetall(keys.run(id).run),
      statuses: await redis.hgetall(keys.run(id).status),
    };
  }
  const failed: FinalProvider["failed"] = [];
  const rawMissing: string[] = [];
  for (const jobId of await redis.zrange(job("failed"), "0", "-1")) {
    const [name, json] = await redis.hmget(job(jobId), "name", "data");
    const data = JSON.parse(json ?? "{}") as Partial<FinalProvider["failed"][number]>;
    failed.push({
      jobId,
      name: name ?? "",
      runId: data.runId ?? "",
      batch: data.batch ?? "",
      generation: data.generation ?? 0,
    });
  }
  const letters = await lettersOf(redis, keys.deadLetters.index, keys.deadLetters.one);
  for (const [id, { kind }] of Object.entries(letters)) {
    if (kind === "record" && !(await redis.exists(keys.badRecordRaw(id)))) rawMissing.push(id);
  }
  const status = (await engine.status()).providers.find((one) => one.provider === provider)!;
  const recordKeys: string[] = [];
  for await (const page of redis.scanStream({ match: `${keys.recordPrefix}*`, count: 1_000 })) {
    for (const key of page as string[]) recordKeys.push(key.slice(keys.recordPrefix.length));
  }
  const source = findProvider(provider)!;
  const records = makeProviderRecords({ redis, keys, provider: source, changesLimit: 1 });
  const stream = async (key: string) => (await redis.xrange(key, "-", "+")) as [string, string[]][];
  return {
    store: digests(await exported(engine, provider), (data) => storedText(provider, data)),
    upstream: digests(
      (await options.simulator.content(provider)).map((entry) => [entry.id, entry]),
      upstreamText,
    ),
    tombstones: await redis.hkeys(keys.tombstones),
    index: (await indexOf(redis, keys)).map(({ id }) => id),
    recordKeys: [...new Set(recordKeys)],
    linksApart: await linksApart({ redis, keys, records, source }),
    changes: (await stream(keys.changes)).map(([id, flat]) => {
      const { o = "", i = "", r = "", f = "" } = pairsOf(flat);
      return { seq: Number(id.split("-")[0]), op: o, id: i, run: r, fields: f };
    }),
    runs,
    machine: { state: status.machine.state, version: status.machine.version },
    failed,
    jobs: status.jobs,
    rawMissing,
    letters,
    transitions: (await stream(keys.transitions)).map(([, flat]) => pairsOf(flat)),
  };
}

/** The final state, read in peace: the store beside the upstream, and everything that refers to anything. */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { canonicalJson } from "../../../src/core/json.ts";
import type { Engine } from "../../../src/engine/api.ts";
import { findProvider } from "../../../src/providers/registry.ts";
import { makeProviderRecords } from "../../../src/records/index.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import type { Upstream } from "../../../src/simulator/types.ts";
import { linksApart } from "../../support/linkIndex.ts";
import { exported, openTestEngine } from "../../support/testEngine.ts";
import type { FinalProvider } from "../history.ts";
import { pairsOf } from "../tap/monitorLine.ts";
import type { ChaosSimulator } from "./simulator.ts";
import { indexOf, lettersOf, runIds } from "./snapshot.ts";

const digestOf = (data: unknown): string =>
  createHash("sha1").update(canonicalJson(data)).digest("hex").slice(0, 16);

const digests = (records: Iterable<[string, unknown]>): Record<string, string> =>
  Object.fromEntries([...records].map(([id, data]) => [id, digestOf(data)]));

/** Their content is XML: what it says is verified by an undisturbed reading of the same documents. */
const xmlProviders: ReadonlySet<string> = new Set(["cwe", "capec"]);

let readings = 0;

/** What the upstream holds: asked of the simulator, or read by an engine of its own that nothing disturbs. */
async function truthOf(
  redisUrl: string,
  simulator: ChaosSimulator,
  provider: Upstream,
): Promise<Record<string, string>> {
  const content = await simulator.content(provider);
  if (!xmlProviders.has(provider)) return digests(content.map(({ id, data }) => [id, data]));
  const reading = await openTestEngine(redisUrl, {
    prefix: `reading${readings++}`,
    providers: { [provider]: { url: simulator.urls[provider], rate: "unlimited" } },
  });
  try {
    const run = await reading.run(provider, "full");
    const read = await exported(reading.engine, provider);
    if (run.state !== "complete" || read.size !== content.length || content.some(({ id }) => !read.has(id))) {
      throw new Error(`the undisturbed reading of ${provider} is not whole`);
    }
    return digests(read);
  } finally {
    await reading.close();
  }
}

export async function readFinal(
  options: { redis: Redis; redisUrl: string; prefix: string; engine: Engine; simulator: ChaosSimulator },
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
    store: digests(await exported(engine, provider)),
    upstream: await truthOf(options.redisUrl, options.simulator, provider),
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

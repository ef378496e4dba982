/** One provider's store on a real Redis, with runs opened by hand. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Redis } from "ioredis";
import type { JsonObject } from "../../../src/core/json.ts";
import type { LinkSource } from "../../../src/core/links.ts";
import type { Attempt, CommitOptions, IncomingRecord } from "../../../src/records/contract.ts";
import { makeChangeFeed, makeProviderRecords } from "../../../src/records/index.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { oneServer } from "../../support/redisServer.ts";

export const provider = { name: "cve", authority: "nvd", version: 1 };
export const latestWins: CommitOptions = { staleness: "latest-wins", acceptRepeatedRegression: false };
export const fetchOrder: CommitOptions = { staleness: "fetch-order", acceptRepeatedRegression: false };
export const LARGE = "a long text that makes its field a large one, ".repeat(8);

let stores = 0;

export function openStore(
  redis: Redis,
  options: { changesLimit?: number; links?: LinkSource["links"] } = {},
) {
  const prefix = `t${++stores}`;
  const keys = makeKeys(prefix);
  const providerKeys = keys.provider(provider.name);
  /** The same store, as another process sees it. */
  const over = (client: Redis, links = options.links) =>
    makeProviderRecords({
      redis: client,
      keys: providerKeys,
      provider: links ? { ...provider, links } : provider,
      changesLimit: options.changesLimit ?? 1000,
    });
  const records = over(redis);
  const feed = makeChangeFeed({ redis: oneServer(redis), keys, providers: [provider] });
  const run = (runId: string) => providerKeys.run(runId);
  return {
    records,
    over,
    feed,
    prefix,
    keys: providerKeys,
    /** Opens a run and begins an attempt of a batch: its fence is the newest. */
    async begin(runId: string, fence = 1, pass = 1, batchKey = "b"): Promise<Attempt> {
      await redis.hset(run(runId).run, "state", "open");
      await redis.hset(run(runId).fences, batchKey, fence);
      return { runId, batchKey, fence, pass };
    },
    setState: (runId: string, state: string) => redis.hset(run(runId).run, "state", state),
    supersede: (attempt: Attempt) =>
      redis.hset(run(attempt.runId).fences, attempt.batchKey, attempt.fence + 1),
    /** The run's counters but for its state. */
    async counters(runId: string): Promise<Record<string, number>> {
      const { state: _, ...rest } = await redis.hgetall(run(runId).run);
      return Object.fromEntries(
        Object.entries(rest)
          .map(([name, value]) => [name, Number(value)] as const)
          .filter(([, value]) => value !== 0),
      );
    },
    /** What every key holds, but for those of runs: equal dumps mean that nothing was written. */
    async contents(): Promise<Map<string, string>> {
      const found = (await redis.keys(`${providerKeys.tag}:*`))
        .filter((key) => !key.includes(":run:"))
        .sort();
      return new Map(
        await Promise.all(
          found.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString("base64") ?? ""] as const),
        ),
      );
    },
  };
}

export const incoming = (
  id: string,
  data: JsonObject,
  options: { fetchedAt?: number; lastModified?: string | null; aliases?: string[] } = {},
): IncomingRecord => ({
  id,
  data: { id, ...data },
  lastModified: options.lastModified ?? null,
  aliases: options.aliases ?? [],
  fetchedAt: options.fetchedAt ?? 1,
});

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const sharedData = resolve(process.env.UEE_SHARED_DATA ?? "../shared/data");

/** Real records, or undefined where the shared data is not there. */
export function realRecords(name: string): JsonObject[] | undefined {
  const path = join(sharedData, name);
  if (!existsSync(path)) return undefined;
  return gunzipSync(readFileSync(path))
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as JsonObject);
}

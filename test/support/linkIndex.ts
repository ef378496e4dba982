/** The index of links beside what a walk over all records says. */
import type { Redis } from "ioredis";
import { type LinkSource, linksOf } from "../../src/core/links.ts";
import type { ProviderRecords } from "../../src/records/contract.ts";
import type { ProviderKeys } from "../../src/redis/keys.ts";

export interface LinkedStore {
  redis: Redis;
  keys: ProviderKeys;
  records: Pick<ProviderRecords, "export" | "linksTo" | "linksFrom">;
  source: LinkSource;
}

const all = { limit: Number.MAX_SAFE_INTEGER };

/** Index key → ids in order, by a walk over all records. */
export async function walkedLinks({ keys, records, source }: LinkedStore): Promise<Map<string, string[]>> {
  const found = new Map<string, Set<string>>();
  const add = (key: string, id: string) => found.set(key, (found.get(key) ?? new Set()).add(id));
  for await (const { id, data } of records.export({})) {
    for (const link of linksOf(source, data)) {
      add(keys.linksTo(link.provider, link.id), id);
      if (link.from !== undefined) add(keys.linksFrom(link.from), id);
    }
  }
  return new Map([...found].map(([key, ids]) => [key, [...ids].sort()] as const).sort());
}

/** The same by the index, read as the engine reads it; every key that exists is read. */
export async function indexedLinks({ redis, keys, records }: LinkedStore): Promise<Map<string, string[]>> {
  const names = new Set<string>();
  for await (const page of redis.scanStream({ match: `${keys.linksPrefix}*`, count: 1_000 })) {
    for (const key of page as string[]) names.add(key);
  }
  const found: [string, string[]][] = [];
  for (const key of [...names].sort()) {
    const [provider, id] = key.slice(keys.linksPrefix.length).split(/:(.*)/s) as [string, string];
    const { ids } =
      provider === "" ? await records.linksFrom(id, all) : await records.linksTo(provider, id, all);
    found.push([key, ids]);
  }
  return new Map(found);
}

/** Index keys under which the two differ. */
export async function linksApart(store: LinkedStore): Promise<string[]> {
  const [walked, indexed] = [await walkedLinks(store), await indexedLinks(store)];
  return [...new Set([...walked.keys(), ...indexed.keys()])].filter(
    (key) => JSON.stringify(walked.get(key)) !== JSON.stringify(indexed.get(key)),
  );
}

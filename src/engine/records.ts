/** Reading records by any name people use, and following the change feed. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import { formatUrn, parseUrn } from "../core/urn.ts";
import type { ChangeEntry, ChangeFeed, StoredRecord } from "../records/contract.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { Engine, VerifiedState } from "./api.ts";
import { storedEdition } from "./reads.ts";

/** How often a follower looks for news, ms. */
const FOLLOW_MS = 500;
const PAGE = 1000;

/** The provider whose own records have the ids of `provider`'s: itself, unless its records are about another's. */
export const subjectOf = ({ provider }: ProviderContext, contexts: readonly ProviderContext[]): string =>
  contexts.find((one) => one.provider.name === provider.subject)?.provider.name ?? provider.name;

/** Every record with this id or about it: the subject's own first, then in the order of the providers. */
export async function recordsAbout(contexts: ProviderContext[], text: string): Promise<StoredRecord[]> {
  const name = parseUrn(text.trim())?.id ?? text.trim();
  const own = (one: ProviderContext): number => (subjectOf(one, contexts) === one.provider.name ? 0 : 1);
  const found = await Promise.all(
    [...contexts]
      .sort((a, b) => own(a) - own(b))
      .map(async (context) => {
        const id = context.provider.normalizeId(name);
        return (id === undefined ? undefined : await context.records.get(id)) ?? byAlias(context, name);
      }),
  );
  return found.filter((record) => record !== undefined);
}

/**
 * By URN, id or alias. An id that several providers share means the record of the provider whose own ids have this form.
 * Rejects with VAL_URN for a URN of no provider.
 */
export async function lookUp(
  contexts: ProviderContext[],
  text: string,
): ReturnType<Engine["records"]["get"]> {
  const urn = parseUrn(text.trim());
  const candidates = urn
    ? contexts.filter(({ provider }) => provider.authority === urn.authority && provider.name === urn.type)
    : contexts.filter((one) => subjectOf(one, contexts) === one.provider.name);
  if (urn && candidates.length === 0) throw new UeeError("VAL_URN", `No provider has URNs like ${text}.`);
  const name = urn?.id ?? text.trim();
  for (const context of candidates) {
    const id = context.provider.normalizeId(name);
    if (id !== undefined) {
      const record = await context.records.get(id);
      if (record) return { record };
      const removed = await context.records.tombstone(id);
      if (removed) {
        return {
          removed,
          urn: formatUrn({ authority: context.provider.authority, type: context.provider.name, id }),
        };
      }
    }
    const aliased = await byAlias(context, name);
    if (aliased) return { record: aliased };
  }
  return undefined;
}

/** The record that an alias means. */
export async function byAlias(context: ProviderContext, name: string): Promise<StoredRecord | undefined> {
  const found = await context.records.byAlias(name.toUpperCase());
  if (found.length === 0) return undefined;
  const preferred = context.provider.preferAlias?.(found.map(({ data }) => data));
  return found.find(({ data }) => data === preferred) ?? found[0];
}

/** What of a provider is verified, and whether anything happens to it. */
export async function verifiedState({ runs }: ProviderContext): Promise<VerifiedState> {
  // In this order: a run that opens in between moves the clock.
  const openRun = await runs.openRunId();
  const meta = await runs.meta();
  const { verifiedAt, watermark, clock } = meta;
  return { verifiedAt, watermark, edition: storedEdition(meta), openRun, clock };
}

export function aliasesOf({ provider }: ProviderContext, { data }: StoredRecord): string[] {
  try {
    return provider.transform(data).aliases;
  } catch {
    // What an older version has stored may be more than is taken today.
    return [];
  }
}

/** Rejects with PROV_UNVERIFIED unless part of the truth is allowed. */
export async function* exportRecords(
  context: ProviderContext,
  { since, allowPartial, signal }: Parameters<Engine["records"]["export"]>[1],
): AsyncIterable<StoredRecord> {
  const { verifiedAt } = await context.runs.meta();
  if (verifiedAt === null && !allowPartial) {
    throw new UeeError("PROV_UNVERIFIED", `${context.provider.name} was never verified complete.`);
  }
  yield* context.records.export({ since, signal });
}

/** Ends at the feed's end unless it follows. */
export async function* readChanges(
  feed: ChangeFeed,
  options: { since?: string; providers?: string[]; follow?: boolean; signal?: AbortSignal },
): AsyncIterable<ChangeEntry> {
  let cursor = options.since;
  for (;;) {
    const page = await feed.read(cursor, PAGE, options.providers);
    cursor = page.cursor;
    yield* page.entries;
    if (page.entries.length > 0) continue;
    if (!options.follow) return;
    await sleep(FOLLOW_MS, undefined, { signal: options.signal }).catch(() => undefined);
    if (options.signal?.aborted) return;
  }
}

/** Dead letters as people and scripts ask for them: reads. What they do with them is in operatorActions.ts. */
import { UeeError } from "../../core/errors.ts";
import type { DeadLetterCap, DeadLetterFilter, DeadLetterPage, DeadLetterStats, DeadLetters } from "./api.ts";
import { capLevel, capShare, deadLetterCounts, type ProviderCounts, undecided } from "./counts.ts";
import { type IndexPlace, type StoredDeadLetter, toDeadLetter, toLetterFilter } from "./deadLetter.ts";
import { makeOperatorActions } from "./operatorActions.ts";
import type { DeadLetterParts } from "./parts.ts";

/** @param providerOf throws UeeError PROV_UNKNOWN */
export function makeDeadLetters(
  providers: readonly DeadLetterParts[],
  providerOf: (name: string) => DeadLetterParts,
): DeadLetters {
  const wanted = (provider?: string): readonly DeadLetterParts[] =>
    provider === undefined ? providers : [providerOf(provider)];

  const find = async (id: string): Promise<{ context: DeadLetterParts; letter: StoredDeadLetter }> => {
    for (const context of wanted()) {
      const letter = (await context.deadLetters.get(id)) ?? (await byJob(context, id));
      if (letter) return { context, letter };
    }
    throw new UeeError("API_NOT_FOUND", `There is no dead letter ${id}; see \`uee dlq list\`.`);
  };
  const raw = async (
    id: string,
  ): Promise<{ letter: StoredDeadLetter; context: DeadLetterParts; raw: Buffer | null }> => {
    const { context, letter } = await find(id);
    return {
      context,
      letter,
      raw: letter.kind === "record" ? await context.badRecords.raw(letter.id) : null,
    };
  };

  return {
    list: async (filter, page) => list(wanted(filter.provider), filter, page),
    async show(id) {
      const found = await raw(id);
      return { letter: toDeadLetter(found.context.provider.name, found.letter), raw: found.raw };
    },
    raw: async (id) => (await raw(id)).raw,
    stats: async (filter = {}) => stats(wanted(filter.provider)),
    async count(provider) {
      const counts = await Promise.all(wanted(provider).map(deadLetterCounts));
      return counts.reduce((sum, one) => sum + undecided(one), 0);
    },
    ...makeOperatorActions(wanted),
  };
}

async function byJob({ deadLetters }: DeadLetterParts, jobId: string): Promise<StoredDeadLetter | undefined> {
  const id = await deadLetters.idOfJob(jobId);
  return id === null ? undefined : await deadLetters.get(id);
}

/** Merges the providers' lists, each a page at a time. */
async function list(
  providers: readonly DeadLetterParts[],
  filter: DeadLetterFilter,
  { limit, cursor: text }: { limit: number; cursor?: string },
): Promise<DeadLetterPage> {
  const from = text === undefined ? undefined : readCursor(text);
  const now = await providers[0]?.runs.now();
  const fitting = toLetterFilter(filter, now ?? 0);
  // One more than asked for tells whether there is more.
  const found = await Promise.all(
    providers.map(async ({ deadLetters, provider }) => {
      const page = await deadLetters.page(fitting, placeAfter(from, provider.name), limit + 1);
      return page.map((letter) => ({
        place: { ms: letter.lastMs, provider: provider.name, id: letter.id } satisfies Cursor,
        letter,
      }));
    }),
  );
  const merged = found.flat().sort((a, b) => (before(a.place, b.place) ? -1 : 1));
  const shown = merged.slice(0, limit);
  const last = shown.at(-1);
  return {
    letters: shown.map(({ place, letter }) => toDeadLetter(place.provider, letter)),
    cursor: last !== undefined && merged.length > limit ? writeCursor(last.place) : null,
  };
}

/** How near a provider is to the bound at which it pauses. */
export function capOf({ provider, deadLetters }: DeadLetterParts, counts: ProviderCounts): DeadLetterCap {
  const now = { letters: undecided(counts), rawBytes: counts.countedBytes };
  return {
    provider: provider.name,
    entries: now.letters,
    maxEntries: deadLetters.limits.entries,
    rawBytes: now.rawBytes,
    maxRawBytes: deadLetters.limits.rawBytes,
    share: capShare(now, deadLetters.limits),
    level: capLevel(now, deadLetters.limits),
  };
}

async function stats(providers: readonly DeadLetterParts[]): Promise<DeadLetterStats> {
  const counts = await Promise.all(providers.map(deadLetterCounts));
  const sum = (pick: (one: ProviderCounts) => number): number =>
    counts.reduce((all, one) => all + pick(one), 0);
  const group = (pick: (one: ProviderCounts) => Record<string, number>): Record<string, number> => {
    const all: Record<string, number> = {};
    for (const one of counts)
      for (const [name, n] of Object.entries(pick(one))) all[name] = (all[name] ?? 0) + n;
    return Object.fromEntries(Object.entries(all).sort((a, b) => b[1] - a[1]));
  };
  const times = (pick: (one: ProviderCounts) => string | null): string[] =>
    counts
      .map(pick)
      .filter((at): at is string => at !== null)
      .sort();
  const listed = sum((one) => one.total);
  const waiting = sum((one) => one.waiting);
  return {
    total: listed + waiting,
    waiting,
    byState: {
      dead: sum((one) => one.byState.dead),
      replaying: sum((one) => one.byState.replaying),
      accepted: sum((one) => one.byState.accepted),
    },
    byCode: group((one) => one.byCode),
    byClass: group((one) => one.byClass),
    byProvider: Object.fromEntries(
      providers.map(({ provider }, i) => [provider.name, counts[i]!.total + counts[i]!.waiting]),
    ),
    rawBytes: sum((one) => one.rawBytes),
    oldest: times((one) => one.oldest)[0] ?? null,
    newest: times((one) => one.newest).at(-1) ?? null,
    maxReplays: Math.max(0, ...counts.map(({ maxReplays }) => maxReplays)),
    meanReplays: listed === 0 ? 0 : sum(({ replays }) => replays) / listed,
    caps: providers.map((context, i) => capOf(context, counts[i]!)),
  };
}

/** The last dead letter of a page: newest failures first, then providers by name, then ids downwards. */
interface Cursor {
  ms: number;
  provider: string;
  id: string;
}

const writeCursor = ({ ms, provider, id }: Cursor): string =>
  Buffer.from(JSON.stringify([ms, provider, id])).toString("base64url");

/** @throws UeeError API_BAD_INPUT */
function readCursor(text: string): Cursor {
  try {
    const [ms, provider, id] = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as unknown[];
    if (typeof ms === "number" && typeof provider === "string" && typeof id === "string")
      return { ms, provider, id };
  } catch {
    // Said below, as for any other text.
  }
  throw new UeeError("API_BAD_INPUT", "This is no cursor of a list of dead letters.");
}

/** Where a provider's letters go on after the cursor. Ids are ASCII: `~` is greater than all of them. */
function placeAfter(cursor: Cursor | undefined, provider: string): IndexPlace | null {
  if (cursor === undefined) return null;
  if (provider === cursor.provider) return { ms: cursor.ms, id: cursor.id };
  return { ms: cursor.ms, id: provider > cursor.provider ? "~" : "" };
}

const before = (a: Cursor, b: Cursor): boolean => {
  if (a.ms !== b.ms) return a.ms > b.ms;
  return a.provider === b.provider ? a.id > b.id : a.provider < b.provider;
};

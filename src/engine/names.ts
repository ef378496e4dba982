/**
 * Finds records by words of their names. The names of weaknesses, attack patterns, techniques and exploited vulnerabilities
 * are few enough (about 25,000) to be kept in the process that searches: they are read at the first search, and the change
 * feed tells what became of them since. CVE records have no names; only their ids find them.
 */
import { isUeeError } from "../core/errors.ts";
import type { ChangeFeed, StoredRecord } from "../records/contract.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { FoundRecord } from "./api.ts";
import { aliasesOf, lookUp } from "./records.ts";

interface Named extends FoundRecord {
  /** Lower case, with a space before each word. */
  words: string;
}

/** More changes than this are read as a whole again. */
const MOST_CHANGES = 1_000;

export class NameIndex {
  readonly #contexts: ProviderContext[];
  readonly #named: ReadonlyMap<string, ProviderContext>;
  readonly #feed: ChangeFeed;
  /** By URN. */
  #names = new Map<string, Named>();
  #cursor: string | undefined;
  #reading: Promise<void> | undefined;

  constructor(contexts: ProviderContext[], feed: ChangeFeed) {
    this.#contexts = contexts;
    this.#named = new Map(
      contexts.filter(({ provider }) => provider.hasNames).map((one) => [one.provider.name, one]),
    );
    this.#feed = feed;
  }

  /** Answers at once: while names are being read, with what ids find and what is known. */
  async search(text: string, limit: number): Promise<{ results: FoundRecord[]; complete: boolean }> {
    const exact = await this.#exact(text);
    await this.#refresh();
    const words = wordsOf(text);
    const found = [...this.#names.values()]
      .filter((one) => one.urn !== exact?.urn && words.every((word) => one.words.includes(` ${word}`)))
      .map((one) => ({ one, rank: rankOf(one, text) }))
      .sort((a, b) => a.rank - b.rank || (a.one.id < b.one.id ? -1 : 1))
      .slice(0, limit)
      .map(({ one: { words: _words, ...shown } }) => shown);
    const results = exact === undefined ? found : [exact, ...found].slice(0, limit);
    return { results, complete: this.#cursor !== undefined };
  }

  async #exact(text: string): Promise<FoundRecord | undefined> {
    const found = await lookUp(this.#contexts, text).catch((error: unknown) => {
      if (isUeeError(error, "VAL_URN")) return undefined;
      throw error;
    });
    if (found === undefined || !("record" in found)) return undefined;
    const context = this.#contexts.find(({ provider }) => provider.name === found.record.provider);
    return context && foundOf(context, found.record);
  }

  async #refresh(): Promise<void> {
    if (this.#cursor === undefined) {
      this.#reading ??= this.#readAll().finally(() => {
        this.#reading = undefined;
      });
      return;
    }
    try {
      const { entries, cursor } = await this.#feed.read(this.#cursor, MOST_CHANGES, [...this.#named.keys()]);
      if (entries.length === MOST_CHANGES) return this.#forget();
      this.#cursor = cursor;
      await Promise.all(
        entries.map(async ({ provider, id, urn, op }) => {
          const context = this.#named.get(provider);
          const record = op === "removed" ? undefined : await context?.records.get(id);
          if (context === undefined || record === undefined) this.#names.delete(urn);
          else this.#keep(context, record);
        }),
      );
    } catch (error) {
      // The feed no longer reaches back, or belongs to another store.
      if (!isUeeError(error, "STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID")) throw error;
      this.#forget();
    }
  }

  #forget(): void {
    this.#cursor = undefined;
    this.#names = new Map();
    void this.#refresh();
  }

  /** A read that fails is begun again by the next search. */
  async #readAll(): Promise<void> {
    try {
      const cursor = await this.#feed.end();
      for (const context of this.#named.values()) {
        for await (const record of context.records.export({})) this.#keep(context, record);
      }
      this.#cursor = cursor;
    } catch {
      this.#names = new Map();
    }
  }

  #keep(context: ProviderContext, record: StoredRecord): void {
    const found = foundOf(context, record);
    const words = ` ${wordsOf(`${found.name ?? ""} ${found.id} ${found.alias ?? ""}`).join(" ")}`;
    this.#names.set(found.urn, { ...found, words });
  }
}

function foundOf(context: ProviderContext, record: StoredRecord): FoundRecord {
  const { urn, provider, id, data } = record;
  const name = context.provider.label?.(data) ?? null;
  return { urn, provider, id, alias: aliasesOf(context, record)[0] ?? null, name };
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}.-]+/gu) ?? [];

/** The whole name first, then names that begin with the text, then short ones. */
function rankOf({ name, alias }: FoundRecord, text: string): number {
  const wanted = text.trim().toLowerCase();
  const own = (name ?? "").toLowerCase();
  if (own === wanted || alias?.toLowerCase() === wanted) return 0;
  return own.length + (own.startsWith(wanted) ? 0 : 1_000);
}

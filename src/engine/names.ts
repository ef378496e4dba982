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

/** Changes that a search follows before it answers; what is left is followed after the answer, in slices of this size. */
const SLICE = 50;

export class NameIndex {
  readonly #contexts: ProviderContext[];
  readonly #named: ReadonlyMap<string, ProviderContext>;
  readonly #feed: ChangeFeed;
  /** By URN. */
  #names = new Map<string, Named>();
  #cursor: string | undefined;
  #complete = false;
  #following: Promise<void> | undefined;
  #catchingUp = false;

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
    return { results, complete: this.#complete };
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
    if (this.#cursor !== undefined) await this.#follow();
    if (this.#complete || this.#catchingUp) return;
    this.#catchingUp = true;
    void this.#catchUp().finally(() => {
      this.#catchingUp = false;
    });
  }

  /** Reads in the background until nothing is left. The next search begins again what fails, and tells why if it fails too. */
  async #catchUp(): Promise<void> {
    try {
      if (this.#cursor === undefined) await this.#readAll();
      while (!this.#complete && this.#cursor !== undefined) await this.#follow();
    } catch {
      // Redis is away.
    }
  }

  async #readAll(): Promise<void> {
    const cursor = await this.#feed.end();
    const names = new Map<string, Named>();
    for (const context of this.#named.values()) {
      for await (const record of context.records.export({})) keep(names, context, record);
    }
    this.#names = names;
    this.#cursor = cursor;
  }

  /** Follows the change feed by one slice, for all who wait for it. */
  #follow(): Promise<void> {
    this.#following ??= this.#followSlice().finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  async #followSlice(): Promise<void> {
    try {
      const { entries, cursor } = await this.#feed.read(this.#cursor, SLICE, [...this.#named.keys()]);
      const changed = new Map(entries.map((entry) => [entry.urn, entry]));
      await Promise.all(
        [...changed.values()].map(async ({ provider, id, urn }) => {
          const context = this.#named.get(provider);
          const record = await context?.records.get(id);
          if (context === undefined || record === undefined) this.#names.delete(urn);
          else keep(this.#names, context, record);
        }),
      );
      this.#cursor = cursor;
      this.#complete = entries.length < SLICE;
    } catch (error) {
      // The feed no longer reaches back, or belongs to another store: all names are read again.
      if (!isUeeError(error, "STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID")) throw error;
      this.#cursor = undefined;
      this.#complete = false;
    }
  }
}

function keep(names: Map<string, Named>, context: ProviderContext, record: StoredRecord): void {
  const found = foundOf(context, record);
  const words = ` ${wordsOf(`${found.name ?? ""} ${found.id} ${found.alias ?? ""}`).join(" ")}`;
  names.set(found.urn, { ...found, words });
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

/**
 * The mirror's CVEs as a server needs them: an index in memory that follows the change feed, and the records' JSON out of
 * the store. Any number of processes follow beside each other; none of them writes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isUeeError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Engine } from "../../engine/api.ts";
import { dayOf } from "./cveFacts.ts";
import { CveIndex } from "./cveIndex.ts";

/** How often it looks for changes, ms. */
const FOLLOW_MS = 500;
/** Time before it tries again after a failure, ms. */
const RETRY_MS = 1_000;
/** Changes that are applied together. */
const CHANGES_AT_ONCE = 500;
const RECORDS_AT_ONCE = 64;
export interface Verified {
  /** ISO; null: never verified. */
  verifiedAt: string | null;
  watermark: string | null;
}

export class CveMirror {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #providers: string[];
  #index = new CveIndex();
  #loads = 0;
  #generation = 0;
  #cursor: string | undefined;
  #verified: Verified = { verifiedAt: null, watermark: null };
  readonly #kev = new Map<string, number>();

  constructor({ engine, logger }: { engine: Engine; logger: Logger }) {
    this.#engine = engine;
    this.#logger = logger;
    this.#providers = ["cve", "kev"].filter((name) => engine.providers.includes(name));
  }

  get index(): CveIndex {
    return this.#index;
  }

  /** The index holds all CVEs: answers are possible. */
  get loaded(): boolean {
    return this.#loads > 0;
  }

  /** How often the index was read from the beginning. */
  get loads(): number {
    return this.#loads;
  }

  /** Grows whenever the index changes. */
  get generation(): number {
    return this.#generation;
  }

  /** JSON of each record, UTF-8; undefined where it is gone. */
  texts(ids: readonly string[]): Promise<(Buffer | undefined)[]> {
    return this.#engine.records.texts("cve", ids);
  }

  /** The last verification whose content the index has; the index may be ahead of it. */
  get verified(): Verified {
    return this.#verified;
  }

  /** Loads the index and follows the feed until the signal fires. Rejects only with what no repetition can help. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#cursor === undefined) await this.#load(signal);
        await this.#follow();
        await sleep(FOLLOW_MS, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        if (isUeeError(error, "SYS_SCHEMA_NEWER")) throw error;
        // The feed no longer reaches back, or the store was replaced: the old index answers until the new one is there.
        if (isUeeError(error, "STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID")) this.#cursor = undefined;
        this.#logger.warn(
          { event: "serve_follow_failed", err: error },
          "following the mirror failed; trying again",
        );
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    const started = performance.now();
    const verified = await this.#engine.records.verified("cve");
    const cursor = await this.#engine.records.changesEnd();
    const index = new CveIndex();
    this.#kev.clear();
    if (this.#providers.includes("kev")) {
      for await (const { id, data } of this.#engine.records.export("kev", { allowPartial: true, signal })) {
        this.#kev.set(id, dayOf(data.dateAdded) ?? 0);
      }
    }
    for await (const { id, lastChanged, data } of this.#engine.records.export("cve", {
      allowPartial: true,
      signal,
    })) {
      index.put(id, Date.parse(lastChanged), data);
    }
    this.#index = index;
    this.#cursor = cursor;
    this.#verified = verified;
    await this.#readKevState();
    this.#loads++;
    this.#generation++;
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    this.#logger.info(
      { event: "serve_index_loaded", records: index.size },
      `index of ${index.size} CVEs read in ${seconds} s`,
    );
  }

  async #follow(): Promise<void> {
    // Read before the feed: what it verifies lies before the feed's end.
    const verified = await this.#engine.records.verified("cve");
    let waiting: { cursor: string; provider: string; id: string; at: string }[] = [];
    const apply = async (): Promise<void> => {
      const ids = (provider: string) => [
        ...new Set(waiting.filter((one) => one.provider === provider && one.id !== "*").map(({ id }) => id)),
      ];
      for (const id of ids("kev")) {
        const found = await this.#engine.records.get(id, { provider: "kev" });
        if (found && "record" in found) this.#kev.set(id, dayOf(found.record.data.dateAdded) ?? 0);
        else this.#kev.delete(id);
      }
      const removedAt = new Map(waiting.map(({ id, at }) => [id, Date.parse(at)]));
      const changed = ids("cve");
      for (let first = 0; first < changed.length; first += RECORDS_AT_ONCE) {
        const some = changed.slice(first, first + RECORDS_AT_ONCE);
        const found = await Promise.all(some.map((id) => this.#engine.records.get(id, { provider: "cve" })));
        some.forEach((id, i) => {
          const now = found[i];
          if (now && "record" in now)
            this.#index.put(id, Date.parse(now.record.lastChanged), now.record.data);
          else this.#index.remove(id, removedAt.get(id) ?? 0);
        });
      }
      this.#cursor = waiting.at(-1)!.cursor;
      waiting = [];
      this.#generation++;
    };
    const { changes } = this.#engine.records;
    for await (const change of changes({ since: this.#cursor!, providers: this.#providers })) {
      waiting.push(change);
      if (waiting.length >= CHANGES_AT_ONCE) await apply();
    }
    if (waiting.length > 0) await apply();
    this.#verified = verified;
    await this.#readKevState();
  }

  /** Until the mirror has verified KEV once, CVE records tell themselves whether they are in it. */
  async #readKevState(): Promise<void> {
    if (!this.#providers.includes("kev") || this.#index.kev !== undefined) return;
    const { verifiedAt } = await this.#engine.records.verified("kev");
    if (verifiedAt !== null) this.#index.kev = this.#kev;
  }
}

/**
 * What every query asks, of all CVEs, in memory: columns of numbers, lists of interned values, and the descriptions as
 * bytes. 425,000 CVEs take about 250 MB, their records stay in Redis. A list that `select` returned is never changed.
 */
import type { JsonObject } from "../../core/json.ts";
import { criterionTest, productOf } from "./cpe.ts";
import { type CveFacts, factsOf } from "./cveFacts.ts";
import { Numbering, PackedLists, Texts } from "./packed.ts";
import type { CveQuery, Window } from "./query.ts";

const ALIVE = 1;
const REJECTED = 2;

export interface YearState {
  /** When the mirror last changed one of its records, ms since the epoch. */
  changed: number;
  /** Grows with every change. */
  version: number;
}

/** The year of the feed that has the CVE: that of its id; 2002 has everything earlier. */
export const yearOf = (id: string): number => Math.max(2002, Number(id.slice(4, 8)));

export class CveIndex {
  /** An id's number is its ordinal. */
  readonly #ids = new Numbering();
  /** Year and number of each id, for the order of lists. */
  #keys = new Float64Array(0);
  #published = new Float64Array(0);
  #modified = new Float64Array(0);
  #flags = new Uint8Array(0);
  readonly #facetNumbers = new Numbering();
  readonly #facets = new PackedLists();
  /** Numbers among the facets, in the order of their appearance. */
  readonly #vectorFacets = new Map<string, number[]>();
  readonly #criterionNumbers = new Numbering();
  readonly #criteria = new PackedLists();
  /** part:vendor:product → numbers of the criteria that name it. */
  readonly #products = new Map<string, number[]>();
  readonly #texts = new Texts();
  /** All ordinals in order but those from `#sorted.length` on, dead ones included. */
  #sorted = new Uint32Array(0);
  #order: Uint32Array | undefined;
  #live = 0;
  /** id → ms of KEV's dateAdded; undefined while the mirror has no verified KEV, and records tell for themselves. */
  kev: ReadonlyMap<string, number> | undefined;
  readonly #ownKev = new Map<string, number>();
  readonly #years = new Map<number, YearState>();

  get size(): number {
    return this.#live;
  }

  /** `changed`: when the mirror last changed it, ms since the epoch. */
  put(id: string, changed: number, record: JsonObject): void {
    const facts = factsOf(record);
    const ordinal = this.#ordinalOf(id);
    if ((this.#flags[ordinal]! & ALIVE) === 0) {
      this.#live++;
      this.#order = undefined;
    }
    this.#flags[ordinal] = ALIVE | (facts.rejected ? REJECTED : 0);
    this.#published[ordinal] = facts.published;
    this.#modified[ordinal] = facts.lastModified;
    this.#touch(id, changed);
    this.#facets.set(ordinal, this.#facetsOf(facts));
    this.#criteria.set(
      ordinal,
      facts.criteria.map((key) => this.#criterion(key)),
    );
    this.#texts.set(ordinal, facts.text);
    const added = facts.kevAdded;
    if (added === undefined) this.#ownKev.delete(id);
    else this.#ownKev.set(id, added);
  }

  /** `at`: when the mirror removed it, ms since the epoch. */
  remove(id: string, at: number): void {
    const ordinal = this.#ids.find(id);
    if (ordinal === undefined || (this.#flags[ordinal]! & ALIVE) === 0) return;
    this.#touch(id, at);
    this.#flags[ordinal] = 0;
    this.#facets.set(ordinal, []);
    this.#criteria.set(ordinal, []);
    this.#texts.set(ordinal, "");
    this.#ownKev.delete(id);
    this.#live--;
    this.#order = undefined;
  }

  /** Years that ever had a record, in order. */
  years(): number[] {
    return [...this.#years.keys()].sort((a, b) => a - b);
  }

  year(year: number): Readonly<YearState> {
    return this.#years.get(year) ?? { changed: 0, version: 0 };
  }

  idOf = (ordinal: number): string => this.#ids.value(ordinal);
  publishedOf = (ordinal: number): number => this.#published[ordinal]!;
  modifiedOf = (ordinal: number): number => this.#modified[ordinal]!;

  /** Ordinals of all live CVEs, by year and number. */
  all(): Uint32Array {
    if (!this.#order) {
      if (this.#sorted.length < this.#ids.size) this.#sorted = this.#withNew();
      this.#order = this.#sorted.filter((ordinal) => (this.#flags[ordinal]! & ALIVE) !== 0);
    }
    return this.#order;
  }

  /** Sorts what is new and merges it: a few new CVEs among hundreds of thousands cost one pass. */
  #withNew(): Uint32Array<ArrayBuffer> {
    const [old, keys] = [this.#sorted, this.#keys];
    const fresh = new Uint32Array(this.#ids.size - old.length).map((_, i) => old.length + i);
    fresh.sort((a, b) => keys[a]! - keys[b]!);
    const merged = new Uint32Array(this.#ids.size);
    for (let from = 0, next = 0, at = 0; at < merged.length; at++) {
      const oldFirst = next >= fresh.length || keys[old[from]!]! <= keys[fresh[next]!]!;
      merged[at] = from < old.length && oldFirst ? old[from++]! : fresh[next++]!;
    }
    return merged;
  }

  /** Ordinals of the CVEs that match, by year and number. */
  select(query: Omit<CveQuery, "startIndex" | "resultsPerPage">): Uint32Array {
    const tests = this.#testsOf(query);
    if (tests === undefined) return new Uint32Array(0);
    if (query.ids) {
      const found = query.ids.flatMap((id) => this.#ids.find(id) ?? []);
      const wanted = new Set(
        found.filter((o) => (this.#flags[o]! & ALIVE) !== 0 && tests.every((test) => test(o))),
      );
      return wanted.size < 2 ? Uint32Array.from(wanted) : this.all().filter((ordinal) => wanted.has(ordinal));
    }
    if (tests.length === 0) return this.all();
    return this.all().filter((ordinal) => tests.every((test) => test(ordinal)));
  }

  /** Undefined where nothing can match. The cheap tests come first. */
  #testsOf(
    query: Omit<CveQuery, "startIndex" | "resultsPerPage">,
  ): ((ordinal: number) => boolean)[] | undefined {
    const tests: ((ordinal: number) => boolean)[] = [];
    const within = (column: Float64Array, { from, to }: Window) =>
      tests.push((o) => column[o]! >= from && column[o]! <= to);
    if (query.noRejected) tests.push((o) => (this.#flags[o]! & REJECTED) === 0);
    if (query.modified) within(this.#modified, query.modified);
    if (query.published) within(this.#published, query.published);
    if (query.hasKev || query.kev) {
      const { from, to } = query.kev ?? { from: -Infinity, to: Infinity };
      const wanted = new Set<number>();
      for (const [id, added] of this.kev ?? this.#ownKev) {
        const ordinal = added >= from && added <= to ? this.#ids.find(id) : undefined;
        if (ordinal !== undefined) wanted.add(ordinal);
      }
      tests.push((o) => wanted.has(o));
    }
    for (const facet of query.facets) {
      const number = this.#facetNumbers.find(facet);
      if (number === undefined) return undefined;
      tests.push((o) => this.#facets.has(o, number));
    }
    if (query.vector) {
      const { version, metrics } = query.vector;
      const wanted = new Set(
        (this.#vectorFacets.get(version) ?? []).filter((number) => {
          const own = this.#facetNumbers.value(number).slice("3:".length).split("/");
          return metrics.every((metric) => own.includes(metric));
        }),
      );
      if (wanted.size === 0) return undefined;
      tests.push((o) => this.#facets.some(o, (number) => wanted.has(number)));
    }
    if (query.cpe) {
      const matching = this.#matchingCriteria(query.cpe);
      if (matching.size === 0) return undefined;
      tests.push((o) => this.#criteria.some(o, (number) => matching.has(number)));
    }
    if (query.keywords) {
      const found = this.#texts.search(query.keywords.words, query.keywords.exact);
      tests.push((o) => found.has(o));
    }
    return tests;
  }

  #matchingCriteria(query: NonNullable<CveQuery["cpe"]>): Set<number> {
    const test = criterionTest(query);
    const product = query.name.slice(0, 3);
    const plain = product.length === 3 && product.every((one) => !/(?<!\\)[*?]/.test(one));
    const matching = new Set<number>();
    const look = (numbers: Iterable<number>) => {
      for (const number of numbers) if (test(this.#criterionNumbers.value(number))) matching.add(number);
    };
    if (plain) {
      look(this.#products.get(product.join(":")) ?? []);
      look(this.#products.get(WILD) ?? []);
    } else {
      look(Array(this.#criterionNumbers.size).keys());
    }
    return matching;
  }

  #touch(id: string, changed: number): void {
    const year = yearOf(id);
    const state = this.#years.get(year);
    if (!state) this.#years.set(year, { changed, version: 1 });
    else {
      state.changed = Math.max(state.changed, changed);
      state.version++;
    }
  }

  #ordinalOf(id: string): number {
    const known = this.#ids.size;
    const ordinal = this.#ids.of(id);
    if (ordinal === known) {
      if (ordinal >= this.#flags.length) this.#grow(Math.max(1024, Math.ceil(ordinal * 1.5)));
      const [, year, number] = id.split("-");
      // Exact for numbers of up to eleven digits; real ones have seven.
      this.#keys[ordinal] = Number(year) * 1e11 + Math.min(Number(number), 1e11 - 1);
    }
    return ordinal;
  }

  #grow(size: number): void {
    const grown = (column: Float64Array) => {
      const larger = new Float64Array(size);
      larger.set(column);
      return larger;
    };
    this.#published = grown(this.#published);
    this.#modified = grown(this.#modified);
    this.#keys = grown(this.#keys);
    const flags = new Uint8Array(size);
    flags.set(this.#flags);
    this.#flags = flags;
  }

  #facetsOf({ facets, vectors }: CveFacts): number[] {
    const numbers = facets.map((facet) => this.#facetNumbers.of(facet));
    for (const vector of vectors) {
      const known = this.#facetNumbers.find(vector);
      const number = known ?? this.#facetNumbers.of(vector);
      numbers.push(number);
      if (known !== undefined) continue;
      const version = vector[0]!;
      const own = this.#vectorFacets.get(version);
      if (own) own.push(number);
      else this.#vectorFacets.set(version, [number]);
    }
    return numbers;
  }

  #criterion(key: string): number {
    const known = this.#criterionNumbers.find(key);
    if (known !== undefined) return known;
    const number = this.#criterionNumbers.of(key);
    const product = productOf(key);
    const name = /(?<!\\)[*?]/.test(product) ? WILD : product;
    const own = this.#products.get(name);
    if (own) own.push(number);
    else this.#products.set(name, [number]);
    return number;
  }
}

/** Criteria whose part, vendor or product is a wildcard. */
const WILD = "*";

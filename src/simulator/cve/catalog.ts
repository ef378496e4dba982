/**
 * The CVEs as they stand: listing, filters, changes. Selections are cached until the content changes, so paging through
 * 400,000 records filters them once.
 */
import { UeeError } from "../../core/errors.ts";
import { timeOf } from "../clock.ts";
import { mix } from "../random.ts";
import { amountOf, type Change, type ChangeReport, isList, type Point } from "../types.ts";
import { byText } from "../upstream.ts";
import { matcher } from "./match.ts";
import { type CveSource, type CveState, copyState, LIVE, type Part, REJECTED } from "./state.ts";

/** All bounds are inclusive, ms; all must match. */
export interface Filter {
  modifiedFrom?: number;
  modifiedTo?: number;
  publishedFrom?: number;
  publishedTo?: number;
  ids?: readonly string[];
  noRejected?: boolean;
  /** Conditions on the record itself, by the parameter's name in lower case; see match.ts. */
  match?: Readonly<Record<string, string>>;
}

const emptyReport = (): ChangeReport => ({ added: [], modified: [], rejected: [], silent: [], removed: [] });

export class CveCatalog {
  readonly source: CveSource;
  readonly #seed: number;
  readonly #order: "id" | "shuffled";
  readonly #clock: () => number;
  #state: CveState;
  #earlier: CveState | undefined;
  /** Content of the year feeds, if it is not the current one. */
  #published: CveState | undefined;
  #mutations = 0;
  #selections = new Map<string, Uint32Array>();
  /** Changes with the content. */
  revision = 1;
  /** Changes with the content of the feeds. */
  feedRevision = 1;

  constructor(
    source: CveSource,
    options: { seed: number; order: "id" | "shuffled"; point: Point; clock: () => number },
  ) {
    this.source = source;
    this.#seed = options.seed;
    this.#order = options.order;
    this.#clock = options.clock;
    this.#state = source.at(options.point);
  }

  get state(): CveState {
    return this.#state;
  }

  /** The content before the last change; before any change an older edition of the same records. */
  get earlier(): CveState {
    if (this.#earlier) return this.#earlier;
    const old = copyState(this.#state);
    for (let slot = 0; slot < old.count; slot += 2) {
      if (old.version[slot] === 0) continue;
      old.version[slot]! -= 1;
      const published = old.published[slot]!;
      if (!Number.isNaN(published)) old.modified[slot] = Math.floor((published + old.modified[slot]!) / 2);
    }
    old.asOf -= 14 * 86_400_000;
    this.#earlier = old;
    return old;
  }

  /** The content as the year feeds show it. */
  get published(): CveState {
    return this.#published ?? this.#state;
  }

  /** Builds the feeds again from the current content. */
  publish(): void {
    this.#published = undefined;
    this.feedRevision += 1;
  }

  #changed(publish: boolean): void {
    this.revision += 1;
    this.#selections.clear();
    if (publish) this.publish();
  }

  /** Live slots that pass the filter, in listing order. */
  select(filter: Filter, state: CveState = this.#state): Uint32Array {
    const key = state === this.#state ? JSON.stringify(filter) : undefined;
    const known = key === undefined ? undefined : this.#selections.get(key);
    if (known) return known;
    const slots = this.#filtered(filter, state);
    if (this.#order === "shuffled") this.#shuffle(slots);
    if (key !== undefined) {
      if (this.#selections.size >= 32) this.#selections.clear();
      this.#selections.set(key, slots);
    }
    return slots;
  }

  #filtered(filter: Filter, state: CveState): Uint32Array {
    const {
      modifiedFrom = Number.NEGATIVE_INFINITY,
      modifiedTo = Number.POSITIVE_INFINITY,
      publishedFrom,
      publishedTo = Number.POSITIVE_INFINITY,
    } = filter;
    const wanted = filter.ids && new Set(filter.ids.map((id) => this.source.slotOf(id)));
    const matches = filter.match && matcher(filter.match);
    const slots = new Uint32Array(state.count);
    let length = 0;
    for (let slot = 0; slot < state.count; slot++) {
      const flags = state.flags[slot]!;
      if ((flags & LIVE) === 0) continue;
      const modified = state.modified[slot]!;
      if (modified < modifiedFrom || modified > modifiedTo) continue;
      if (publishedFrom !== undefined) {
        const published = state.published[slot]!;
        if (!(published >= publishedFrom && published <= publishedTo)) continue;
      }
      if (wanted && !wanted.has(slot)) continue;
      if (filter.noRejected && (flags & REJECTED) !== 0) continue;
      if (matches && !matches(this.source.fields(slot, state))) continue;
      slots[length++] = slot;
    }
    return slots.slice(0, length);
  }

  #shuffle(slots: Uint32Array): void {
    const keys = Float64Array.from(slots, (slot) => mix(this.#seed, slot, 0x0bde) * 0x20_0000 + slot);
    keys.sort();
    for (let i = 0; i < keys.length; i++) slots[i] = keys[i]! % 0x20_0000;
  }

  parts(slot: number, out: Part[], state: CveState = this.#state): void {
    this.source.parts(slot, state, out);
  }

  /** The record's JSON text. */
  text(slot: number, state: CveState = this.#state): string {
    const out: Part[] = [];
    this.source.parts(slot, state, out);
    return out.map((part) => (typeof part === "string" ? part : part.toString("utf8"))).join("");
  }

  /** Live slots in plain string order of their ids. */
  sorted(state: CveState = this.#state): { slot: number; id: string }[] {
    return Array.from(this.#filtered({}, state), (slot) => ({ slot, id: this.source.id(slot) })).sort(
      (a, b) => byText(a.id, b.id),
    );
  }

  setPoint(point: Point): ChangeReport {
    const next = this.source.at(point);
    const report = compare(this.source, this.#state, next);
    this.#earlier = this.#state;
    this.#state = next;
    this.#changed(true);
    return report;
  }

  mutate(change: Change): ChangeReport {
    const at = change.at === undefined ? this.#clock() : timeOf(change.at);
    this.#earlier = copyState(this.#state);
    this.#mutations += 1;
    const taken = new Set<number>();
    const chosen = (what: Change["modify"]): number[] => {
      const slots = isList(what) ? this.#named(what) : this.#pick(amountOf(what, live), taken);
      for (const slot of slots) taken.add(slot);
      return slots;
    };
    const live = this.#filtered({}, this.#state).length;
    const report = emptyReport();
    const state = this.#state;
    const idOf = (slot: number): string => this.source.id(slot);
    const edit = (slots: number[], each: (slot: number) => void): string[] => {
      for (const slot of slots) each(slot);
      return slots.map(idOf);
    };
    report.removed = edit(chosen(change.remove), (slot) => {
      state.flags[slot] = 0;
    });
    report.rejected = edit(chosen(change.reject), (slot) => {
      state.version[slot]! += this.source.editionStep;
      state.modified[slot] = at;
      state.flags[slot]! |= REJECTED;
    });
    report.silent = edit(chosen(change.silent), (slot) => {
      state.version[slot]! += this.source.editionStep;
    });
    report.modified = edit(chosen(change.modify), (slot) => {
      state.version[slot]! += this.source.editionStep;
      state.modified[slot] = at;
    });
    for (let left = change.add ?? 0; left > 0; left--) report.added.push(idOf(this.source.add(state, at)));
    state.asOf = at;
    if (change.feeds === "keep") this.#published ??= this.#earlier;
    this.#changed(change.feeds !== "keep");
    return report;
  }

  #pick(count: number, taken: ReadonlySet<number>): number[] {
    const live = this.#filtered({}, this.#state).filter((slot) => !taken.has(slot));
    const keys = Float64Array.from(
      live,
      (slot) => mix(this.#seed, slot, 0xa00 + this.#mutations) * 0x20_0000 + slot,
    );
    keys.sort();
    return Array.from(keys.subarray(0, count), (key) => key % 0x20_0000);
  }

  #named(ids: readonly string[]): number[] {
    return ids.map((id) => {
      const slot = this.source.slotOf(id);
      if (slot === undefined || slot >= this.#state.count || (this.#state.flags[slot]! & LIVE) === 0)
        throw new UeeError("API_NOT_FOUND", `The simulator has no live record '${id}'.`);
      return slot;
    });
  }
}

/** What differs between two states of one source. */
function compare(source: CveSource, from: CveState, to: CveState): ChangeReport {
  const report = emptyReport();
  for (let slot = 0; slot < Math.max(from.count, to.count); slot++) {
    const was = slot < from.count && (from.flags[slot]! & LIVE) !== 0;
    const is = slot < to.count && (to.flags[slot]! & LIVE) !== 0;
    if (!was && !is) continue;
    if (!was) report.added.push(source.id(slot));
    else if (!is) report.removed.push(source.id(slot));
    else if ((to.flags[slot]! & REJECTED) !== 0 && (from.flags[slot]! & REJECTED) === 0)
      report.rejected.push(source.id(slot));
    else if (from.version[slot] !== to.version[slot])
      (from.modified[slot] === to.modified[slot] ? report.silent : report.modified).push(source.id(slot));
  }
  return report;
}

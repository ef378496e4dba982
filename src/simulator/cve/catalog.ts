/**
 * The CVEs as they stand: listing, filters, changes. Selections are cached until the content changes, so paging through
 * 400,000 records filters them once.
 */
import { timeOf } from "../clock.ts";
import { Picker, shuffled } from "../random.ts";
import {
  type BadKind,
  type BadRecord,
  type Change,
  type ChangeReport,
  type ContentEntry,
  emptyReport,
  type Point,
} from "../types.ts";
import { byText } from "../upstream.ts";
import { type Filter, matcher } from "./query.ts";
import { type CveSource, type CveState, copyState, LIVE, type Part, REJECTED } from "./state.ts";

interface CatalogOptions {
  seed: number;
  order: "id" | "shuffled";
  point: Point;
  clock: () => number;
}

export class CveCatalog {
  readonly source: CveSource;
  readonly #options: CatalogOptions;
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

  constructor(source: CveSource, options: CatalogOptions) {
    this.source = source;
    this.#options = options;
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
    const found = this.#filtered(filter, state);
    const slots = this.#options.order === "shuffled" ? shuffled(found, this.#options.seed, 0x0bde) : found;
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

  /** The true records; faults change nothing here. */
  *content(state: CveState = this.#state): Generator<ContentEntry> {
    for (const { slot, id } of this.sorted(state)) yield { id, data: JSON.parse(this.text(slot, state)) };
  }

  /** The same as JSON texts. */
  *lines(state: CveState = this.#state): Generator<string> {
    for (const { slot, id } of this.sorted(state)) {
      // A text with line breaks between its tokens must not break the line.
      yield `{"id":${JSON.stringify(id)},"data":${this.text(slot, state).replace(/[\r\n]/g, " ")}}`;
    }
  }

  badRecords(
    isBad: ((id: string) => BadKind | undefined) | undefined,
    state: CveState = this.#state,
  ): BadRecord[] {
    if (!isBad) return [];
    return this.sorted(state).flatMap(({ id }) => {
      const kind = isBad(id);
      return kind ? [{ id, kind }] : [];
    });
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
    const at = change.at === undefined ? this.#options.clock() : timeOf(change.at);
    this.#earlier = copyState(this.#state);
    this.#mutations += 1;
    const live = this.#filtered({}, this.#state);
    const picker = new Picker(shuffled(live, this.#options.seed, 0xa00 + this.#mutations), (id) =>
      this.#liveSlot(id),
    );
    const report = emptyReport();
    const state = this.#state;
    const idOf = (slot: number): string => this.source.id(slot);
    const edit = (what: Change["modify"], each: (slot: number) => void): string[] => {
      const slots = picker.pick(what);
      for (const slot of slots) each(slot);
      return slots.map(idOf);
    };
    report.removed = edit(change.remove, (slot) => {
      state.flags[slot] = 0;
    });
    report.rejected = edit(change.reject, (slot) => {
      state.version[slot]! += this.source.editionStep;
      state.modified[slot] = at;
      state.flags[slot]! |= REJECTED;
    });
    report.silent = edit(change.silent, (slot) => {
      state.version[slot]! += this.source.editionStep;
    });
    report.modified = edit(change.modify, (slot) => {
      state.version[slot]! += this.source.editionStep;
      state.modified[slot] = at;
    });
    for (let left = change.add ?? 0; left > 0; left--) report.added.push(idOf(this.source.add(state, at)));
    state.asOf = at;
    if (change.feeds === "keep") this.#published ??= this.#earlier;
    this.#changed(change.feeds !== "keep");
    return report;
  }

  #liveSlot(id: string): number | undefined {
    const slot = this.source.slotOf(id);
    const live = slot !== undefined && slot < this.#state.count && (this.#state.flags[slot]! & LIVE) !== 0;
    return live ? slot : undefined;
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

/**
 * The current state of every CVE in a few bytes per record; the text is generated on request. A slot is a record's
 * position in the catalogue: slots never move and are never reused for another id.
 */

import type { JsonObject } from "../../core/json.ts";
import { nvdTime } from "../../core/time.ts";

export interface CveState {
  /** Slots in use, removed ones included. */
  count: number;
  /** Edition of the text. */
  version: Uint16Array;
  /** Bits: LIVE, REJECTED. */
  flags: Uint8Array;
  /** lastModified, ms. */
  modified: Float64Array;
  /** published, ms; NaN where the record has none. */
  published: Float64Array;
  /** When this state began, ms. */
  asOf: number;
}

export const LIVE = 1;
export const REJECTED = 2;

export const emptyState = (capacity: number, asOf: number): CveState => ({
  count: 0,
  version: new Uint16Array(capacity),
  flags: new Uint8Array(capacity),
  modified: new Float64Array(capacity),
  published: new Float64Array(capacity),
  asOf,
});

const columns = ["version", "flags", "modified", "published"] as const;

export const copyState = (state: CveState): CveState => ({
  ...state,
  ...(Object.fromEntries(columns.map((name) => [name, state[name].slice()])) as Pick<
    CveState,
    (typeof columns)[number]
  >),
});

/** Room for one more slot; returns the slot. */
export function appendSlot(state: CveState): number {
  if (state.count === state.version.length) {
    const larger = emptyState(Math.max(64, Math.ceil(state.count * 1.25)), state.asOf);
    for (const name of columns) larger[name].set(state[name]);
    Object.assign(state, { ...larger, count: state.count });
  }
  return state.count++;
}

/** A piece of JSON text. Strings are ASCII; Buffers are shared and never written to. */
export type Part = Buffer | string;

/** Other forms of the same time that NVD has been seen to write: 0 to 9 fraction digits, with and without a zone. */
export function oddTime(ms: number, dice: number): string {
  const fraction = nvdTime(ms)
    .slice(20)
    .padEnd(9, "0")
    .slice(0, dice % 10);
  const zone = ["", "Z", "+00:00"][(dice >>> 8) % 3]!;
  return `${nvdTime(ms).slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}${zone}`;
}

/** The source of the texts: generated, or real records. */
export interface CveSource {
  /** The state at a point in time, fresh. */
  at(point: "before" | "after"): CveState;
  /** Slots at the point before. */
  readonly slots: number;
  id(slot: number): string;
  /** Is it in CISA's catalogue of exploited vulnerabilities? For generated CVEs only; real ones have a real KEV. */
  isExploited(slot: number): boolean;
  /** The slot of an id, if it ever had one. */
  slotOf(id: string): number | undefined;
  /** Appends the record's JSON text. */
  parts(slot: number, state: CveState, out: Part[]): void;
  /** The fields that NVD's parameters examine. They may be shared and are never written to. */
  fields(slot: number, state: CveState): JsonObject;
  /** What one more edit adds to a record's version. */
  readonly editionStep: number;
  /** A new record; its slot is appended to the state. */
  add(state: CveState, modified: number): number;
}

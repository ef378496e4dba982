/**
 * Generated CVEs: record n of a seed is the same text whenever it is made, and an edition (version) of it differs from
 * the one before in exactly one field. Nothing but the state's few bytes is kept per record.
 */
import { fraction, mix, Random } from "../random.ts";
import { cpeMatch, makePools, type Pools } from "./pools.ts";
import { makeSpecials, type Special } from "./specials.ts";
import {
  appendSlot,
  type CveSource,
  type CveState,
  emptyState,
  LIVE,
  nvdTime,
  type Part,
  REJECTED,
} from "./state.ts";

export interface GeneratedOptions {
  seed: number;
  /** Records at the point before. */
  count: number;
  /** End of the point after, ms. */
  now: number;
  recordBytes: number | undefined;
  extremes: boolean;
  drift: boolean;
}

const HOUR = 3_600_000;
const statuses = [
  "Analyzed",
  "Modified",
  "Deferred",
  "Awaiting Analysis",
  "Undergoing Analysis",
  "Received",
] as const;
const sources = ["cve@mitre.org", "security@example.org", "cna@example.net", "audit@patchstack.com"] as const;
/** Fields in the order in which editions may change them. */
const FIELDS = ["status", "descriptions", "metrics", "weaknesses", "configurations", "references"] as const;
const FIRST_YEAR = 1999;
const LEAN_BELOW = 3_000;

/** Share of the base records that the step from before to after touches; at least one each. */
const steps = [
  { kind: "removed", share: 0.004 },
  { kind: "rejected", share: 0.006 },
  { kind: "silent", share: 0.01 },
  { kind: "modified", share: 0.05 },
] as const;
const ADDED_SHARE = 0.025;

export class GeneratedCves implements CveSource {
  readonly editionStep = 1;
  readonly #options: GeneratedOptions;
  readonly #pools: Pools;
  readonly #specials: readonly Special[];
  /** slot → special, for those slots that hold one. */
  readonly #specialAt = new Map<number, Special>();
  /** First slot of each year from FIRST_YEAR on, and one end. */
  readonly #yearStart: number[] = [];
  readonly #filler: Buffer;
  readonly #lean: boolean;

  constructor(options: GeneratedOptions) {
    this.#options = options;
    this.#pools = makePools(options.seed);
    this.#specials = options.extremes ? makeSpecials(options.seed) : [];
    this.#filler = makeFiller(options);
    this.#lean = (options.recordBytes ?? LEAN_BELOW) < LEAN_BELOW;
    this.#placeYears();
    this.#placeSpecials();
  }

  /** The newest `before` record is modified here. */
  get #endOfBefore(): number {
    return this.#options.now - 26 * HOUR;
  }

  get #lastYear(): number {
    return new Date(this.#endOfBefore).getUTCFullYear();
  }

  /** Years grow as the real ones do: each has some 12 % more than the one before. */
  #placeYears(): void {
    const years = this.#lastYear - FIRST_YEAR + 1;
    const weight = (year: number): number => 1.12 ** year - 0.9;
    let total = 0;
    for (let y = 0; y < years; y++) total += weight(y);
    let sum = 0;
    for (let y = 0; y < years; y++) {
      this.#yearStart.push(Math.round((sum / total) * this.#options.count));
      sum += weight(y);
    }
    this.#yearStart.push(this.#options.count);
  }

  #placeSpecials(): void {
    const { count } = this.#options;
    // A small catalogue takes the small ones only, and not in every place.
    const chosen = this.#specials.filter((s) => count >= 1_000 || s.rest.length < 64_000);
    const room = Math.min(chosen.length, Math.floor(count / 3));
    for (let i = 0; i < room; i++) this.#specialAt.set(Math.floor(((i + 0.5) / room) * count), chosen[i]!);
  }

  #year(slot: number): number {
    const { count } = this.#options;
    if (slot >= count) return this.#yearStart.length - 2;
    let low = 0;
    let high = this.#yearStart.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#yearStart[middle]! <= slot) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  id(slot: number): string {
    const year = this.#year(slot);
    const within = slot - this.#yearStart[year]!;
    // Gaps of up to two numbers, as reserved ids leave them.
    const number = 1 + within * 3 + (mix(this.#options.seed, slot, 1) % 3);
    return `CVE-${FIRST_YEAR + year}-${String(number).padStart(4, "0")}`;
  }

  slotOf(id: string): number | undefined {
    const match = /^CVE-(\d{4})-(\d{4,})$/.exec(id);
    if (!match) return undefined;
    const year = Number(match[1]) - FIRST_YEAR;
    const start = this.#yearStart[year];
    if (start === undefined) return undefined;
    const slot = start + Math.floor((Number(match[2]) - 1) / 3);
    return this.id(slot) === id ? slot : undefined;
  }

  at(point: "before" | "after"): CveState {
    const { count, seed, now } = this.#options;
    const state = emptyState(Math.ceil(count * (1 + ADDED_SHARE)) + 8, this.#endOfBefore);
    state.count = count;
    for (let slot = 0; slot < count; slot++) {
      const year = this.#year(slot);
      const start = Date.UTC(FIRST_YEAR + year, 0, 1);
      const end = Math.min(Date.UTC(FIRST_YEAR + year + 1, 0, 1), this.#endOfBefore);
      const size = this.#yearStart[year + 1]! - this.#yearStart[year]!;
      const published = Math.floor(start + ((slot - this.#yearStart[year]! + 0.5) / size) * (end - start));
      state.published[slot] = published;
      // Half were touched long ago; the others drift towards the present, in waves as NVD's mass edits make them.
      const age = fraction(seed, slot, 2);
      const reach = age < 0.5 ? age * age : 1 - (1 - age) ** 3 * 0.8;
      state.modified[slot] = Math.floor(published + reach * (this.#endOfBefore - published));
      state.version[slot] = 1;
      state.flags[slot] =
        LIVE | (fraction(seed, slot, 3) < 0.05 && !this.#specialAt.has(slot) ? REJECTED : 0);
    }
    // One record marks the end exactly, so a first load's watermark is known.
    if (count > 0) state.modified[count - 1] = this.#endOfBefore;
    return point === "before" ? state : this.#advance(state, now);
  }

  #advance(state: CveState, now: number): CveState {
    const { count, seed } = this.#options;
    const order = new Float64Array(count);
    for (let slot = 0; slot < count; slot++) order[slot] = mix(seed, slot, 4) * 0x20_0000 + slot;
    order.sort();
    const recent = (slot: number): number =>
      Math.floor(now - HOUR / 60 - fraction(seed, slot, 5) * 18 * HOUR);
    let next = 0;
    for (const { kind, share } of steps) {
      for (let left = Math.max(1, Math.round(count * share)); left > 0 && next < count; left--, next++) {
        const slot = order[next]! % 0x20_0000;
        if (kind === "removed") {
          state.flags[slot] = 0;
          continue;
        }
        state.version[slot]! += 1;
        if (kind !== "silent") state.modified[slot] = recent(slot);
        if (kind === "rejected") state.flags[slot]! |= REJECTED;
      }
    }
    for (let left = Math.max(1, Math.round(count * ADDED_SHARE)); left > 0; left--)
      this.add(state, recent(state.count));
    state.asOf = now;
    return state;
  }

  add(state: CveState, modified: number): number {
    const slot = appendSlot(state);
    state.version[slot] = 1;
    state.flags[slot] = LIVE;
    state.modified[slot] = modified;
    state.published[slot] = modified - 1_000;
    return slot;
  }

  hasKev(slot: number): boolean {
    return fraction(this.#options.seed, slot, 6) < 0.005;
  }

  parts(slot: number, state: CveState, out: Part[]): void {
    const { seed } = this.#options;
    const id = this.id(slot);
    const version = state.version[slot]!;
    const published = nvdTime(state.published[slot]!);
    const lastModified = nvdTime(state.modified[slot]!);
    const special = this.#specialAt.get(slot);
    if (special?.head) out.push(`{${special.head({ id, published, lastModified })}`);
    const rejected = (state.flags[slot]! & REJECTED) !== 0;
    const editions = countEditions(seed, slot, version);
    const base = mix(seed, slot, 7);
    const status = rejected ? "Rejected" : statuses[(base + editions[0]!) % statuses.length]!;
    if (!special?.head)
      out.push(
        `{"id":"${id}","sourceIdentifier":"${sources[base % sources.length]}","published":"${published}",` +
          `"lastModified":"${lastModified}",${special && !rejected ? "" : `"vulnStatus":"${status}",`}`,
      );
    if (rejected) {
      out.push(
        `"cveTags":[],"descriptions":[{"lang":"en","value":"Rejected reason: DO NOT USE THIS CANDIDATE NUMBER. ` +
          `Edition ${version}."}],"metrics":{},"references":[]}`,
      );
      return;
    }
    if (special) {
      out.push(special.rest, version === 1 ? "}" : `,"evaluatorImpact":"Edition ${version}."}`);
      return;
    }
    const pick = (pool: Buffer[], salt: number, edition: number): Buffer =>
      pool[(mix(seed, slot, salt) + edition) % pool.length]!;
    // A lean record has no configurations and one reference: what would change there changes its descriptions.
    if (this.#lean) editions[1] = editions[1]! + editions[4]! + editions[5]!;
    if (this.hasKev(slot)) out.push(kevFields);
    out.push(
      '"cveTags":[],',
      pick(this.#pools.descriptions, 8, editions[1]!),
      pick(this.#pools.metrics, 9, editions[2]!),
      pick(this.#pools.weaknesses, 10, editions[3]!),
      this.#lean ? "" : pick(this.#pools.configurations, 11, editions[4]!),
      pick(this.#pools.extras, 12, 0),
      this.#filler,
      this.#options.drift ? driftFields : "",
      `"references":[{"url":"https://advisories.example/${id}","source":"cve@mitre.org"}`,
      this.#lean ? "" : pick(this.#pools.references, 13, editions[5]!),
      "]}",
    );
  }
}

const driftFields =
  '"priority":"lowest priority","ssvcMetrics":{"ssvcV203":[{"source":"cisa","ssvcData":{"role":"CISA Coordinator"}}]},' +
  '"evaluatorImpact":null,"x_next":[{"nested":[null,{}]}],';

const kevFields =
  '"cisaExploitAdd":"2024-05-01","cisaActionDue":"2024-05-22",' +
  '"cisaRequiredAction":"Apply mitigations per vendor instructions.","cisaVulnerabilityName":"Generated Vulnerability",';

/** How often each field has changed up to this version; version 0 is what stale caches hold. */
function countEditions(seed: number, slot: number, version: number): number[] {
  const editions = [0, 0, 0, 0, 0, 0];
  for (let v = 1; v <= version; v++) editions[mix(seed, slot, 1_000 + v) % FIELDS.length]! += 1;
  return editions;
}

/** What brings every record to the size asked for: one shared block of configuration matches. */
function makeFiller({ seed, recordBytes }: GeneratedOptions): Buffer {
  const missing = (recordBytes ?? 0) - 4_000;
  if (missing <= 0) return Buffer.alloc(0);
  const random = new Random(seed ^ 0xf111);
  const list: string[] = [];
  for (let size = 0; size < missing; ) {
    const text = JSON.stringify(cpeMatch(random));
    list.push(text);
    size += text.length + 1;
  }
  return Buffer.from(`"x_padding":[${list.join(",")}],`);
}

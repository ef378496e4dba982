/**
 * Generated CVEs. Record n of a seed is the same text at every generation, and each edition (version) differs from
 * the previous one in exactly one field. Only the few bytes of the state are kept per record.
 */

import type { JsonObject } from "../../core/json.ts";
import { nvdTime } from "../../core/time.ts";
import { fraction, mix, shuffled } from "../random.ts";
import type { SimulatorOptions } from "../types.ts";
import { type Extreme, extremes } from "./extremes.ts";
import { IdSpace } from "./ids.ts";
import { cpeMatchTexts, type Fragment, type PoolName, pools } from "./pools.ts";
import {
  appendSlot,
  type CveSource,
  type CveState,
  emptyState,
  LIVE,
  oddTime,
  type Part,
  REJECTED,
} from "./state.ts";

export interface GeneratedOptions
  extends Pick<SimulatorOptions, "recordBytes" | "extremes" | "drift" | "oddTimes"> {
  seed: number;
  /** Records at the point before. */
  count: number;
  /** End of the point after, ms. */
  now: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** NVD edits about so many records a day. */
const EDITED_A_DAY = 2_000;
const CISA_ADP = "134c704f-9b21-4f2e-91b3-4a467353bcc0";
const sources = ["cve@mitre.org", "security@example.org", "cna@example.net", "audit@patchstack.com"];
const statuses =
  "Analyzed|Modified|Deferred|Awaiting Analysis|Undergoing Analysis|Received|Not Scheduled".split("|");
/** Fields in the order in which editions may change them. */
const FIELDS = ["status", "descriptions", "metrics", "weaknesses", "configurations", "references"] as const;
const LEAN_BELOW = 3_000;
/** Share of the base records that the step from before to after touches; at least one each. */
const steps = { removed: 0.004, rejected: 0.006, silent: 0.01, modified: 0.05 };
const ADDED_SHARE = 0.025;

export class GeneratedCves implements CveSource {
  readonly editionStep = 1;
  readonly #options: GeneratedOptions;
  /** slot → extreme record, for those slots that hold one. */
  readonly #extremeAt = new Map<number, Extreme>();
  readonly #ids: IdSpace;
  readonly #filler: Buffer;
  readonly #lean: boolean;

  constructor(options: GeneratedOptions) {
    this.#options = options;
    this.#filler = makeFiller(options.recordBytes ?? 0);
    this.#lean = (options.recordBytes ?? LEAN_BELOW) < LEAN_BELOW;
    this.#ids = new IdSpace(options.seed, options.count, new Date(this.#endOfBefore).getUTCFullYear());
    if (options.extremes) this.#placeExtremes(options.count);
  }

  /** The newest `before` record is modified here. */
  get #endOfBefore(): number {
    return this.#options.now - 26 * HOUR;
  }

  #placeExtremes(count: number): void {
    // A small catalogue contains only the small ones, and not in every place.
    const chosen = extremes.filter(({ rest }) => count >= 1_000 || rest.length < 64_000);
    const room = Math.min(chosen.length, Math.floor(count / 3));
    for (let i = 0; i < room; i++) this.#extremeAt.set(Math.floor(((i + 0.5) / room) * count), chosen[i]!);
  }

  get slots(): number {
    return this.#options.count;
  }

  id(slot: number): string {
    return this.#ids.id(slot);
  }

  slotOf(id: string): number | undefined {
    return this.#ids.slotOf(id);
  }

  at(point: "before" | "after"): CveState {
    const { count, seed, now } = this.#options;
    const state = emptyState(Math.ceil(count * (1 + ADDED_SHARE)) + 8, this.#endOfBefore);
    state.count = count;
    let editedLast = 0;
    for (let slot = 0; slot < count; slot++) {
      const { year, start: first, size } = this.#ids.yearOf(slot);
      const start = Date.UTC(year, 0, 1);
      const end = Math.min(Date.UTC(year + 1, 0, 1), this.#endOfBefore);
      const published = Math.floor(start + ((slot - first + 0.5) / size) * (end - start));
      state.published[slot] = published;
      // Half were touched long ago; the others drift towards the present, in waves as NVD's mass edits make them.
      const age = fraction(seed, slot, 2);
      const reach = age < 0.5 ? age * age : 1 - (1 - age) ** 3 * 0.8;
      let modified = Math.floor(published + reach * (this.#endOfBefore - published));
      // In a large catalogue, what is beyond a day's edits falls into the month before.
      if (modified > this.#endOfBefore - DAY && ++editedLast > EDITED_A_DAY) {
        modified = Math.max(published, modified - Math.floor((1 + 30 * fraction(seed, slot, 0x6d)) * DAY));
      }
      state.modified[slot] = modified;
      state.version[slot] = 1;
      state.flags[slot] =
        LIVE | (fraction(seed, slot, 3) < 0.05 && !this.#extremeAt.has(slot) ? REJECTED : 0);
    }
    // One record marks the end exactly, so the watermark of a first load is known.
    if (count > 0) state.modified[count - 1] = this.#endOfBefore;
    return point === "before" ? state : this.#advance(state, now);
  }

  #advance(state: CveState, now: number): CveState {
    const { count, seed } = this.#options;
    const order = shuffled(
      Uint32Array.from({ length: count }, (_, slot) => slot),
      seed,
      4,
    );
    const recent = (slot: number): number =>
      Math.floor(now - HOUR / 60 - fraction(seed, slot, 5) * 18 * HOUR);
    let next = 0;
    for (const [kind, share] of Object.entries(steps)) {
      for (let left = Math.max(1, Math.round(count * share)); left > 0 && next < count; left--, next++) {
        const slot = order[next]!;
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

  isExploited(slot: number): boolean {
    // The smallest catalogue has two.
    return slot === 1 || slot === 4 || fraction(this.#options.seed, slot, 6) < 0.005;
  }

  #time(slot: number, ms: number, salt: number): string {
    return this.#options.oddTimes ? oddTime(ms, mix(this.#options.seed, slot, salt)) : nvdTime(ms);
  }

  #source(slot: number): string {
    return sources[mix(this.#options.seed, slot, 7) % sources.length]!;
  }

  /** The fields of the record's own. */
  #head(slot: number, state: CveState): JsonObject & { id: string; published: string; lastModified: string } {
    const base = mix(this.#options.seed, slot, 7);
    const rejected = (state.flags[slot]! & REJECTED) !== 0;
    const version = state.version[slot]!;
    const editions = countEditions(this.#options.seed, slot, version);
    return {
      id: this.id(slot),
      sourceIdentifier: this.#source(slot),
      published: this.#time(slot, state.published[slot]!, 0x71),
      lastModified: this.#time(slot, state.modified[slot]!, 0x72),
      vulnStatus: rejected ? "Rejected" : statuses[(base + editions[0]!) % statuses.length],
      ...(rejected ? rejectedFields(version) : this.isExploited(slot) ? kevFields : {}),
    };
  }

  /** What CISA's analysts said of it, on most records since June 2026. */
  #ssvc(slot: number, id: string): JsonObject | undefined {
    const dice = mix(this.#options.seed, slot, 0x55);
    if (this.#lean || dice % 100 < 15) return undefined;
    const pick = <T>(of: readonly T[], salt: number): T => of[(dice >>> salt) % of.length]!;
    return {
      source: CISA_ADP,
      ssvcData: {
        timestamp: `2026-06-${String(10 + (dice % 8))}T14:25:34.416117Z`,
        id,
        options: [
          { exploitation: this.isExploited(slot) ? "active" : pick(["none", "poc"], 8) },
          { automatable: pick(["yes", "no"], 10) },
          { technicalImpact: pick(["partial", "total"], 12) },
        ],
        role: "CISA Coordinator",
        version: "2.0.3",
      },
    };
  }

  /** The shared fragments of an ordinary record; omitted pools have no name. */
  #fragments(slot: number, state: CveState): Partial<Record<PoolName, Fragment>> {
    const { seed } = this.#options;
    const editions = countEditions(seed, slot, state.version[slot]!);
    // A lean record has no configurations and one reference: what would change there changes its descriptions.
    if (this.#lean) editions[1] = editions[1]! + editions[4]! + editions[5]!;
    const pick = (name: PoolName, salt: number, edition = 0): Fragment => {
      const pool = pools[name];
      return pool[(mix(seed, slot, salt) + edition) % pool.length]!;
    };
    const tagged = mix(seed, slot, 14) % 100 < 3;
    return {
      cveTags: tagged ? pick("cveTags", 15) : pools.cveTags[0]!,
      descriptions: pick("descriptions", 8, editions[1]),
      metrics: pick("metrics", 9, editions[2]),
      weaknesses: pick("weaknesses", 10, editions[3]),
      ...(mix(seed, slot, 12) % 4 === 0 ? { extras: pick("extras", 17) } : {}),
      ...(this.#lean
        ? {}
        : {
            affected: pick("affected", 16),
            configurations: pick("configurations", 11, editions[4]),
            references: pick("references", 13, editions[5]),
          }),
    };
  }

  parts(slot: number, state: CveState, out: Part[]): void {
    const head = this.#head(slot, state);
    const text = JSON.stringify(head);
    if ((state.flags[slot]! & REJECTED) !== 0) {
      out.push(text);
      return;
    }
    const extreme = this.#extremeAt.get(slot);
    if (extreme) {
      const version = state.version[slot]!;
      const own = Object.fromEntries(extreme.head.map((name) => [name, head[name]]));
      const end = version === 1 ? "}" : `,"evaluatorImpact":"Edition ${version}."}`;
      out.push(`${JSON.stringify(own).slice(0, -1)},`, extreme.rest, end);
      return;
    }
    const of = this.#fragments(slot, state);
    const ssvc = this.#ssvc(slot, head.id);
    const metrics = of.metrics!.bytes;
    out.push(
      `${text.slice(0, -1)},`,
      of.cveTags!.bytes,
      of.descriptions!.bytes,
      of.affected?.bytes ?? "",
      `"metrics":{${ssvc ? `"ssvcV203":[${JSON.stringify(ssvc)}]${metrics.length > 0 ? "," : ""}` : ""}`,
      metrics,
      "},",
      of.weaknesses!.bytes,
      of.configurations?.bytes ?? "",
      of.extras?.bytes ?? "",
      this.#filler,
      this.#options.drift ? driftFields : "",
      `"references":[{"url":"https://advisories.example/${head.id}","source":"cve@mitre.org"}`,
      ...(of.references ? [",", of.references.bytes] : []),
      "]}",
    );
  }

  fields(slot: number, state: CveState): JsonObject {
    if ((state.flags[slot]! & REJECTED) !== 0 || this.#extremeAt.has(slot)) {
      const out: Part[] = [];
      this.parts(slot, state, out);
      return JSON.parse(out.map(String).join("")) as JsonObject;
    }
    const of = this.#fragments(slot, state);
    return {
      sourceIdentifier: this.#source(slot),
      ...(this.isExploited(slot) ? kevFields : {}),
      ...of.cveTags!.value,
      ...of.descriptions!.value,
      metrics: of.metrics!.value,
      ...of.weaknesses!.value,
      ...of.configurations?.value,
      ...of.references?.value,
    };
  }
}

const driftFields =
  '"priority":"lowest priority","x_next":[{"nested":[null,{}]}],"evaluatorImpact":null,"x_ssvc":{"ssvcV204":[{}]},';

const rejectedFields = (version: number): JsonObject => ({
  cveTags: [],
  descriptions: [
    { lang: "en", value: `Rejected reason: DO NOT USE THIS CANDIDATE NUMBER. Edition ${version}.` },
  ],
  metrics: {},
  references: [],
});

const kevFields = {
  cisaExploitAdd: "2024-05-01",
  cisaActionDue: "2024-05-22",
  cisaRequiredAction: "Apply mitigations per vendor instructions.",
  cisaVulnerabilityName: "Generated Vulnerability",
};

/** How often each field has changed up to this version; version 0 is what stale caches hold. */
function countEditions(seed: number, slot: number, version: number): number[] {
  const editions = [0, 0, 0, 0, 0, 0];
  for (let v = 1; v <= version; v++) editions[mix(seed, slot, 1_000 + v) % FIELDS.length]! += 1;
  return editions;
}

/** Pads every record to the requested size: one shared block of configuration matches. */
function makeFiller(recordBytes: number): Buffer {
  const missing = recordBytes - 4_000;
  // A match has some 158 bytes.
  return Buffer.from(missing > 0 ? `"x_padding":[${cpeMatchTexts(Math.ceil(missing / 158))}],` : "");
}

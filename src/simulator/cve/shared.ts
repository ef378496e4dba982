/**
 * Real CVEs from a folder of NVD files: `nvd/cve-before.ndjson.gz`, `cve-after`, `cve-added` and `edge-cases`. The texts
 * stay in the unpacked files' bytes and are served verbatim; a change made while running is applied to the parsed record.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { nvdTime, parseTime } from "../../core/time.ts";
import { appendSlot, type CveSource, type CveState, emptyState, LIVE, type Part, REJECTED } from "./state.ts";

interface Slice {
  text: Buffer;
  modified: number;
  published: number;
  rejected: boolean;
}

interface Entry {
  id: string;
  before?: Slice;
  after?: Slice;
}

/** Version = 0 or 1, the text of before or after, + 2 for every edit made while running. */
const EDIT = 2;

/** One level of text: the value of the first `"name":"…"`. Heads of NVD records hold no escapes. */
function headValue(text: Buffer, name: string): string | undefined {
  const start = text.indexOf(`"${name}":"`);
  if (start < 0) return undefined;
  const from = start + name.length + 4;
  return text.toString("latin1", from, text.indexOf('"', from));
}

const slice = (text: Buffer): Slice => ({
  text,
  modified: parseTime(headValue(text, "lastModified")) ?? 0,
  published: parseTime(headValue(text, "published")) ?? Number.NaN,
  rejected: headValue(text, "vulnStatus") === "Rejected",
});

function* lines(path: string): Generator<Buffer> {
  let bytes: Buffer;
  try {
    bytes = gunzipSync(readFileSync(path));
  } catch (cause) {
    throw new UeeError("SYS_DISK", `The simulator cannot read ${path}.`, { cause });
  }
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    if (end > start) yield bytes.subarray(start, end);
    start = end + 1;
  }
}

const numeric = (id: string): number => Number(id.slice(4, 8)) * 1e9 + Number(id.slice(9));

export class SharedCves implements CveSource {
  readonly editionStep = EDIT;
  readonly #entries: Entry[] = [];
  readonly #slots = new Map<string, number>();

  constructor(folder: string) {
    const byId = new Map<string, Entry>();
    const put = (text: Buffer, ...points: ("before" | "after")[]): void => {
      const id = headValue(text, "id");
      if (!id) return;
      const entry: Entry = byId.get(id) ?? { id };
      byId.set(id, entry);
      const made = slice(text);
      for (const point of points) entry[point] ??= made;
    };
    const linesOf = (name: string): Generator<Buffer> => lines(join(folder, "nvd", `${name}.ndjson.gz`));
    for (const line of linesOf("cve-before")) put(line, "before");
    for (const name of ["cve-after", "cve-added"]) for (const line of linesOf(name)) put(line, "after");
    for (const line of linesOf("edge-cases")) {
      // {"why":[…],"snapshot":"…","cve":{…}}: ids that the other files lack join them.
      const text = line.subarray(line.indexOf('"cve":{') + 6, line.length - 1);
      if (byId.has(headValue(text, "id") ?? "")) continue;
      put(text, "after", ...(headValue(line, "snapshot") === "2026-03" ? [] : (["before"] as const)));
    }
    this.#entries = [...byId.values()].sort((a, b) => numeric(a.id) - numeric(b.id));
    for (const [slot, { id }] of this.#entries.entries()) this.#slots.set(id, slot);
  }

  at(point: "before" | "after"): CveState {
    const state = emptyState(this.#entries.length + 64, 0);
    this.#entries.forEach((entry, slot) => {
      state.count = slot + 1;
      const now = entry[point];
      if (!now) return;
      state.flags[slot] = LIVE | (now.rejected ? REJECTED : 0);
      state.modified[slot] = now.modified;
      state.published[slot] = now.published;
      // Where the texts are equal nothing changed: both are edition 1.
      const same = entry.before && entry.after && entry.before.text.equals(entry.after.text);
      state.version[slot] = point === "after" || same ? 1 : 0;
      state.asOf = Math.max(state.asOf, now.modified);
    });
    return state;
  }

  get slots(): number {
    return this.#entries.length;
  }

  isExploited(): boolean {
    return true;
  }

  id(slot: number): string {
    return this.#entries[slot]?.id ?? `CVE-2099-${String(slot).padStart(4, "0")}`;
  }

  slotOf(id: string): number | undefined {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const match = /^CVE-2099-(\d{4,})$/.exec(id);
    return match && Number(match[1]) >= this.#entries.length ? Number(match[1]) : undefined;
  }

  #slice(slot: number, version: number): Slice | undefined {
    const entry = this.#entries[slot];
    return version % EDIT === 0 ? (entry?.before ?? entry?.after) : (entry?.after ?? entry?.before);
  }

  parts(slot: number, state: CveState, out: Part[]): void {
    const version = state.version[slot]!;
    const real = this.#slice(slot, version);
    if (real && version < EDIT) {
      out.push(real.text);
      return;
    }
    const record: JsonObject = real
      ? (JSON.parse(real.text.toString("utf8")) as JsonObject)
      : {
          id: this.id(slot),
          published: nvdTime(state.published[slot]!),
          descriptions: [{ lang: "en", value: "Added." }],
        };
    record.lastModified = nvdTime(state.modified[slot]!);
    record.evaluatorImpact = `Edition ${version}.`;
    if ((state.flags[slot]! & REJECTED) !== 0)
      Object.assign(record, { vulnStatus: "Rejected", metrics: {}, references: [] });
    out.push(Buffer.from(JSON.stringify(record)));
  }

  fields(slot: number, state: CveState): JsonObject {
    const out: Part[] = [];
    this.parts(slot, state, out);
    return JSON.parse(String(out[0])) as JsonObject;
  }

  add(state: CveState, modified: number): number {
    const slot = appendSlot(state);
    state.version[slot] = EDIT;
    state.flags[slot] = LIVE;
    state.modified[slot] = modified;
    state.published[slot] = modified - 1_000;
    return slot;
  }
}

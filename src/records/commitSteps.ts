/** Packs writes into atomic steps of at most 64 records, fewer where they are large, and runs them. */
import type { RunKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";
import type { Attempt } from "./contract.ts";
import type { FrameWriter } from "./frame.ts";
import { copyName } from "./seenMarks.ts";
import { markTime } from "./staleness.ts";
import {
  assertAllowed,
  recordChangesKept,
  STEP_KEYS,
  STEP_RECORDS,
  type StoreContext,
} from "./storeContext.ts";

const commitScript = loadScript(new URL("./lua/commit-n.lua", import.meta.url));

/** About as much as fits into one socket buffer: the server works on it for a millisecond. */
const STEP_BYTES = 48 * 1024;
const REPLACES = 1;
const YIELDS = 2;

/** One record's write, as compared with `base` and `tombstone`. */
export interface RecordWrite {
  readonly id: string;
  /** c created, u updated, q rewritten without a change of content. */
  readonly op: "c" | "u" | "q";
  /** All content that is stored goes first. */
  readonly replace: boolean;
  /** Refuse it when this run has seen a later fetch of the record. */
  readonly yields: boolean;
  /** Index entry compared with (latin-1); empty for none. */
  readonly base: string;
  /** Tombstone compared with; empty for none. */
  readonly tombstone: string;
  readonly fetchedAt: number;
  /** The new index entry before its times, latin-1. */
  readonly entry: string;
  /** ms; 0 for now. */
  readonly firstSeen: number;
  readonly lastChanged: number;
  /** The content element to append; absent where nothing of the content is written, or it is inline. */
  readonly content?: Buffer | undefined;
  /** The content that lies in the index entry, latin-1; empty for none. */
  readonly inline: string;
  /** Names of changed fields. */
  readonly changed: readonly string[];
  readonly addAliases: readonly string[];
  readonly removeAliases: readonly string[];
  /** Keys of the index of links (links.ts). */
  readonly addLinks: readonly string[];
  readonly removeLinks: readonly string[];
}

export interface Step<T> {
  readonly keys: string[];
  readonly frame: Buffer;
  readonly items: { readonly source: T; readonly op: RecordWrite["op"]; readonly bytes: number }[];
}

export type StepOutcome = "written" | "conflict" | "stale";

/** Collects writes; `finish` hands out the steps. Used within one turn of the event loop. */
export class StepPacker<T> {
  readonly #context: StoreContext;
  readonly #frame: FrameWriter;
  #keys: string[] = [];
  #items: Step<T>["items"] = [];
  readonly #steps: Step<T>[] = [];

  constructor(context: StoreContext, frame: FrameWriter) {
    this.#context = context;
    this.#frame = frame.reset();
  }

  add(source: T, write: RecordWrite): void {
    const { keys } = this.#context;
    const start = this.#frame.length;
    this.#encode(write);
    const own = [keys.indexBucket(write.id), keys.record(write.id)];
    for (const alias of write.addAliases) own.push(keys.alias(alias));
    for (const alias of write.removeAliases) own.push(keys.alias(alias));
    own.push(...write.addLinks, ...write.removeLinks);
    const isFull = this.#frame.length > STEP_BYTES || this.#keys.length + own.length > STEP_KEYS;
    if (isFull && this.#items.length > 0) this.#close(start);
    this.#keys.push(...own);
    this.#items.push({ source, op: write.op, bytes: (write.content ?? write.inline).length });
    if (this.#items.length === STEP_RECORDS) this.#close(this.#frame.length);
  }

  finish(): Step<T>[] {
    if (this.#items.length > 0) this.#close(this.#frame.length);
    return this.#steps;
  }

  #close(size: number): void {
    this.#steps.push({ keys: this.#keys, frame: this.#frame.cut(size), items: this.#items });
    this.#keys = [];
    this.#items = [];
  }

  /** The layout that lua/commit-n.lua reads. */
  #encode(write: RecordWrite): void {
    this.#frame
      .uint8(write.op.charCodeAt(0))
      .uint8((write.replace ? REPLACES : 0) + (write.yields ? YIELDS : 0))
      .text(write.id)
      .latin1(write.base)
      .text(write.tombstone)
      .latin1(markTime(write.fetchedAt))
      .latin1(write.entry)
      .uint48(write.firstSeen)
      .uint48(write.lastChanged)
      .latin1(write.inline)
      .bytes(write.content ?? NOTHING)
      .text(write.changed.length > 0 ? JSON.stringify(write.changed) : "")
      .uint16(write.addAliases.length)
      .uint16(write.removeAliases.length)
      .uint16(write.addLinks.length)
      .uint16(write.removeLinks.length);
  }
}

const NOTHING = Buffer.alloc(0);
const outcomeOf: Record<string, StepOutcome> = { w: "written", x: "conflict", s: "stale" };

/** Runs one step; one outcome a record. Throws STOR_RUN_CLOSED or STOR_FENCED, and then nothing was written. */
export async function runStep<T>(
  context: StoreContext,
  attempt: Attempt,
  run: RunKeys,
  step: Step<T>,
): Promise<StepOutcome[]> {
  const { keys } = context;
  const [code, outcomes] = (await commitScript.run(
    context.redis,
    [run.run, run.fences, run.seen, keys.tombstones, keys.changes, keys.meta, ...step.keys],
    [
      attempt.batchKey,
      attempt.fence,
      attempt.pass,
      attempt.runId,
      recordChangesKept(context),
      step.items.length,
      step.frame,
      copyName(attempt),
    ],
  )) as [number, string];
  assertAllowed(code, attempt);
  return Array.from(outcomes, (letter) => outcomeOf[letter]!);
}

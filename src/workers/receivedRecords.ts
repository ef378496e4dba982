/**
 * The records that a batch has received: validates them, commits good ones, sets bad ones aside and adds up what the
 * checkpoint needs. A provider hands over a large batch piece by piece while it fetches the rest.
 */
import { UeeError } from "../core/errors.ts";
import { KeptRecord, SourceText, type StoredText } from "../core/sourceText.ts";
import { formatTime } from "../core/time.ts";
import type { TransformedRecord } from "../providers/contract.ts";
import type { Attempt, CommitResult, IncomingRecord } from "../records/contract.ts";
import type { BadRecord } from "../recovery/deadLetters/badRecords.ts";
import { recordKey } from "../recovery/deadLetters/deadLetter.ts";
import type { BatchEntry, RunRecord } from "../runs/runRecord.ts";
import type { ProviderContext } from "./context.ts";
import { newestOf, portionsOf, type Received, validateRecords } from "./validate.ts";

/** Records whose source text is the stored one. */
interface Unchanged {
  readonly count: number;
  readonly last: string | undefined;
  /** The one with the greatest lastModified. */
  readonly newest: readonly TransformedRecord[];
}

const NO_TEXT = Buffer.alloc(0);

export class ReceivedRecords {
  readonly committed: CommitResult = { created: 0, updated: 0, unchanged: 0, stale: 0, bytesWritten: 0 };
  good = 0;
  bad = 0;
  /** Id of the last good record. */
  last: string | undefined;
  /** By the records' own lastModified. */
  newest: ReturnType<typeof newestOf> = null;
  readonly #context: ProviderContext;
  readonly #run: RunRecord;
  readonly #attempt: Attempt;
  readonly #signal: AbortSignal;
  /** How often each id came in this batch: a further copy is committed as such. */
  readonly #copies = new Map<string, number>();

  constructor(context: ProviderContext, run: RunRecord, attempt: Attempt, signal: AbortSignal) {
    this.#context = context;
    this.#run = run;
    this.#attempt = attempt;
    this.#signal = signal;
  }

  get #reconcile(): "repair" | "look" | undefined {
    if (this.#run.mode !== "reconcile") return undefined;
    return this.#run.repair ? "repair" : "look";
  }

  /** To be called in the work lane. */
  async take(records: readonly unknown[], fetchedAt: number): Promise<void> {
    for (const portion of portionsOf(records)) await this.#take(portion, fetchedAt);
  }

  async #take(records: readonly unknown[], fetchedAt: number): Promise<void> {
    const context = this.#context;
    const attempt = this.#attempt;
    const windowed = context.provider.kind === "windowed";
    // An operator wants an older bundle: its versions replace newer ones.
    const anyVersion = this.#run.bundle !== null && this.#run.allowOlder;
    context.onStep("commit", "before", attempt.batchKey);
    const kept = records.filter((record) => record instanceof KeptRecord);
    if (kept.length > 0) await this.#markKept(kept, fetchedAt);
    const received = kept.length > 0 ? records.filter((record) => !(record instanceof KeptRecord)) : records;
    const { rest, unchanged } = await this.#recognise(received, fetchedAt);
    const { good, bad } = await validateRecords(context, rest, fetchedAt, this.#signal);
    for (const [copy, same] of windowed ? this.#byCopy(good) : [[0, good] as const]) {
      const result = await context.records.commit({ ...attempt, copy }, same, {
        staleness: windowed && !anyVersion ? "latest-wins" : "fetch-order",
        acceptRepeatedRegression: windowed && this.#run.mode !== "incremental",
        ...(this.#reconcile ? { reconcile: this.#reconcile } : {}),
        signal: this.#signal,
      });
      for (const name of Object.keys(result) as (keyof CommitResult)[]) this.committed[name] += result[name];
    }
    if (this.#reconcile === "look") await markOnly(context, attempt, bad);
    else await setAside(context, attempt, bad, this.bad);
    context.onStep("commit", "after", attempt.batchKey);
    this.committed.unchanged += unchanged.count;
    this.good += good.length + unchanged.count;
    this.bad += bad.length;
    this.last = good.at(-1)?.id ?? unchanged.last ?? this.last;
    const startMs = Date.parse(this.#run.startedAt);
    this.#noteNewest(newestOf(good, startMs));
    this.#noteNewest(newestOf(unchanged.newest, startMs));
  }

  /** Records of files that did not change count as seen, in the same fenced step that checks that they are there. */
  async #markKept(kept: readonly KeptRecord[], fetchedAt: number): Promise<void> {
    const { records: store } = this.#context;
    const found = await store.lookUp(kept.map(({ id }) => ({ id, text: NO_TEXT })));
    const live = kept.flatMap(({ id }, i) => (found[i]!.entry === "" ? [] : [{ id, stored: found[i]! }]));
    const changed = await store.markUnchanged(this.#attempt, live, fetchedAt, this.#signal);
    const lost = kept.length - live.length + changed.length;
    if (lost > 0) {
      throw new UeeError(
        "STOR_CORRUPT",
        `${lost} records of files that did not change are no longer as they were.`,
      );
    }
    this.committed.unchanged += live.length;
    this.good += live.length;
    this.last = kept.at(-1)!.id;
    const times = live.flatMap(({ stored: { lastModified } }) =>
      lastModified === undefined ? [] : [{ lastModified: formatTime(lastModified) }],
    );
    this.#noteNewest(newestOf(times, Date.parse(this.#run.startedAt)));
  }

  #noteNewest(newest: ReturnType<typeof newestOf>): void {
    if (newest && (!this.newest || newest.ms > this.newest.ms)) this.newest = newest;
  }

  /**
   * Takes out the records whose source text is the one that is stored: they need no parsing. The others go on, with what
   * was found out about them. A further copy of an id is always compared by its content.
   */
  async #recognise(
    records: readonly unknown[],
    fetchedAt: number,
  ): Promise<{ rest: Received[]; unchanged: Unchanged }> {
    const { provider } = this.#context;
    const startMs = Date.parse(this.#run.startedAt);
    const rest: Received[] = [];
    const found: { source: SourceText; id: string; stored: StoredText | undefined }[] = [];
    const met = new Set<string>();
    for (const record of records) {
      // A reconciliation compares what is stored, not what the index says of it.
      const whole = record instanceof SourceText && !(record.isMeasured && record.refusal);
      const known = whole && !this.#reconcile ? record : undefined;
      const id = known && (known.id ?? provider.identify(known.stub));
      if (id === undefined || met.has(id) || this.#copies.has(id)) {
        rest.push({ item: record });
        continue;
      }
      met.add(id);
      found.push({ source: record as SourceText, id, stored: known!.stored });
    }
    const { records: store } = this.#context;
    const unknown = found.filter(({ stored }) => stored === undefined);
    const stored = await store.lookUp(unknown.map(({ source, id }) => ({ id, text: source.bytes })));
    unknown.forEach((one, i) => {
      one.stored = stored[i];
    });
    const candidates = found.map(({ source, id, stored }) => ({ source, id, stored: stored! }));
    const same = candidates.filter((one) => one.stored.same);
    const changed = new Set(await store.markUnchanged(this.#attempt, same, fetchedAt, this.#signal));
    let count = 0;
    let newest: { source: SourceText; lastModified: number } | undefined;
    for (const candidate of candidates) {
      const { source, id, stored } = candidate;
      if (!stored.same) {
        rest.push({ item: source, found: { id, entry: stored.entry } });
        continue;
      }
      if (changed.has(candidate)) {
        rest.push({ item: source });
        continue;
      }
      count++;
      this.#copies.set(id, 1);
      const { lastModified } = stored;
      if (lastModified === undefined || lastModified > startMs) continue;
      if (newest === undefined || lastModified > newest.lastModified) newest = { source, lastModified };
    }
    // The watermark is a time as its record wrote it: only the newest record is read for it.
    const dated = newest ? [provider.transform(newest.source.parse())] : [];
    const last = count > 0 ? candidates.at(-1)?.id : undefined;
    return { rest, unchanged: { count, last, newest: dated } };
  }

  /** By how often their ids came before in this batch. */
  #byCopy(records: IncomingRecord[]): Map<number, IncomingRecord[]> {
    const copies = new Map<number, IncomingRecord[]>();
    for (const record of records) {
      const copy = this.#copies.get(record.id) ?? 0;
      this.#copies.set(record.id, copy + 1);
      const list = copies.get(copy);
      if (list) list.push(record);
      else copies.set(copy, [record]);
    }
    return copies;
  }
}

/**
 * Stands for a record without an id among those seen: one mark an occurrence (several may have the same content), the
 * same whatever attempt or pass meets it.
 */
const namelessMark = (attempt: Attempt, place: number): string =>
  `!${attempt.batchKey.replace(/^p(ass)?\d+\//, "")}#${place}`;

/** A run that only looks counts bad records and keeps nothing of them. */
async function markOnly(
  context: ProviderContext,
  attempt: Attempt,
  bad: readonly BadRecord[],
): Promise<void> {
  const ids = bad.flatMap(({ id }) => id ?? []);
  if (ids.length > 0) await context.records.markDead(attempt, ids);
}

/**
 * Raw bytes, job, mark: all before the checkpoint, so that a bad record is never lost between the two. `before`: bad
 * records of this batch set aside already.
 */
async function setAside(
  context: ProviderContext,
  attempt: Attempt,
  bad: BadRecord[],
  before: number,
): Promise<void> {
  if (bad.length === 0) return;
  const now = new Date(await context.runs.now()).toISOString();
  const { fresh, accepted } = await context.badRecords.keep(bad, {
    runId: attempt.runId,
    batch: attempt.batchKey,
    now,
  });
  const entries: BatchEntry[] = bad
    .filter((record) => fresh.has(record.deadLetterId))
    .map((record) => ({
      key: recordKey(record.deadLetterId),
      size: 1,
      payload: { deadLetterId: record.deadLetterId },
      pass: attempt.pass,
      kind: "record",
    }));
  const marks = bad.map((record, i) => ({
    mark: record.id ?? namelessMark(attempt, before + i),
    nameless: record.id === undefined,
    accepted: accepted.has(record.deadLetterId),
  }));
  const nameless = marks.filter((one) => one.nameless).map((one) => `${one.accepted ? "a:" : ""}${one.mark}`);
  await context.batches.planRecords(attempt, entries, nameless);
  await context.queue.addBatches(attempt.runId, entries);
  await context.badRecords.planned(attempt.runId, [...fresh]);
  const marked = (as: boolean) => marks.filter((one) => one.accepted === as).map(({ mark }) => mark);
  await context.records.markDead(attempt, marked(false));
  await context.records.markDead(attempt, marked(true), "accepted");
  const counted = bad.filter((record) => !accepted.has(record.deadLetterId));
  if (counted.length === 0) return;
  const receivedAt = Math.min(...counted.map(({ fetchedAt }) => fetchedAt));
  await context.governor.watchErrors(attempt.runId, counted, { records: counted.length, receivedAt });
}

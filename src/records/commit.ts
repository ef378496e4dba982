/**
 * Commits records: read index entries → judge (unchanged, stale, new, changed) → read the heads of changed ones → diff →
 * atomic steps. Windows of 32 records overlap, so that latency hides behind the digests of the next window. What
 * changed between judgement and write comes back as a conflict and is judged anew, a bounded number of times.
 */
import type { RunKeys } from "../redis/keys.ts";
import type { CanonicalWriter } from "./canonicalWriter.ts";
import { decodeHead, type RecordHead } from "./codec.ts";
import { type RecordWrite, runStep, type Step, StepPacker } from "./commitSteps.ts";
import type { Attempt, CommitOptions, CommitResult, IncomingRecord } from "./contract.ts";
import { diffFields, withCurrentDigests } from "./diff.ts";
import { DIGEST_VERSION } from "./digest.ts";
import type { FrameWriter } from "./frame.ts";
import { packIndexEntry, unpackIndexEntry } from "./indexEntry.ts";
import {
  type Candidate,
  candidatesOf,
  detach,
  incomingFields,
  largeDigests,
  type Prepared,
  prepare,
} from "./prepare.ts";
import { hasDifferentCopies, MARKS_A_CALL, type Mark, markSeen } from "./seenMarks.ts";
import { judgeVersion } from "./staleness.ts";
import {
  chunksOf,
  contended,
  inParallel,
  MAX_ROUNDS,
  STEP_RECORDS,
  type StoreContext,
} from "./storeContext.ts";
import { parseTombstone } from "./tombstones.ts";

const WINDOWS_IN_FLIGHT = 4;

export interface CommitTools {
  readonly context: StoreContext;
  readonly writer: CanonicalWriter;
  readonly frame: FrameWriter;
}

interface CandidateMark extends Mark {
  readonly candidate: Candidate;
  readonly outcome: "unchanged" | "stale";
}

/** A candidate to be written, and what it was judged against. */
interface Judged {
  readonly prepared: Prepared;
  readonly base: string;
  readonly tombstone: string;
  /** ms; 0 for one never seen before. */
  readonly firstSeen: number;
  readonly yields: boolean;
}

const hex = (latin1: string): string => Buffer.from(latin1, "latin1").toString("hex");

export async function commitRecords(
  tools: CommitTools,
  attempt: Attempt,
  records: readonly IncomingRecord[],
  options: CommitOptions,
): Promise<CommitResult> {
  const commit = new Commit(tools, attempt, options);
  let todo = candidatesOf(records, options.staleness);
  for (let round = 0; todo.length > 0; round++) {
    if (round === MAX_ROUNDS) throw contended(todo.map(({ id }) => id));
    todo = await commit.round(todo);
  }
  return commit.result;
}

class Commit {
  readonly result: CommitResult = { created: 0, updated: 0, unchanged: 0, stale: 0, bytesWritten: 0 };
  readonly #tools: CommitTools;
  readonly #context: StoreContext;
  readonly #attempt: Attempt;
  readonly #options: CommitOptions;
  readonly #run: RunKeys;
  /** Marks waiting for a full call, by fetch time. */
  readonly #marks = new Map<number, CandidateMark[]>();
  #conflicts: Candidate[] = [];
  /** Mostly there are none; one that comes meanwhile makes a conflict, and the next round asks again. */
  #anyTombstones = true;

  constructor(tools: CommitTools, attempt: Attempt, options: CommitOptions) {
    this.#tools = tools;
    this.#context = tools.context;
    this.#attempt = attempt;
    this.#options = options;
    this.#run = tools.context.keys.run(attempt.runId);
  }

  /** Judges and writes all of them once; returns those that changed meanwhile. */
  async round(candidates: Candidate[]): Promise<Candidate[]> {
    this.#conflicts = [];
    const { redis, keys } = this.#context;
    this.#anyTombstones = (await redis.hlen(keys.tombstones)) > 0;
    await inParallel(chunksOf(candidates, STEP_RECORDS), WINDOWS_IN_FLIGHT, (window) => this.#window(window));
    for (const fetchedAt of [...this.#marks.keys()]) await this.#flushMarks(fetchedAt);
    return this.#conflicts;
  }

  async #window(window: Candidate[]): Promise<void> {
    const { redis, keys } = this.#context;
    const { writer, frame } = this.#tools;
    this.#options.signal?.throwIfAborted();
    const entries = await redis.hmgetBuffer(keys.index, ...window.map(({ id }) => id));
    const fresh = window.filter((_, i) => !entries[i]);
    const tombstones = new Map<string, string>();
    if (fresh.length > 0 && this.#anyTombstones) {
      const found = await redis.hmget(keys.tombstones, ...fresh.map(({ id }) => id));
      for (let i = 0; i < fresh.length; i++) if (found[i]) tombstones.set(fresh[i]!.id, found[i]!);
    }

    // From here to `finish` without a pause: writer and frame are shared by all windows.
    const packer = new StepPacker<Candidate>(this.#context, frame);
    const changed: Judged[] = [];
    const regressed: Judged[] = [];
    for (let i = 0; i < window.length; i++) {
      const candidate = window[i]!;
      const prepared = prepare(writer, candidate);
      const packed = entries[i];
      if (!packed) {
        const raw = tombstones.get(candidate.id) ?? "";
        const tombstone = raw === "" ? undefined : parseTombstone(candidate.id, raw);
        if (tombstone && candidate.fetchedAt <= tombstone.at) {
          this.#refuse(candidate, tombstone.at);
          continue;
        }
        const firstSeen = tombstone ? Date.parse(tombstone.firstSeen) : 0;
        const judged = { prepared: prepared, base: "", tombstone: raw, firstSeen, yields: true };
        packer.add(candidate, wholeWrite(judged, "c"));
        continue;
      }
      const base = packed.toString("latin1");
      const entry = unpackIndexEntry(base);
      if (entry.digestVersion === DIGEST_VERSION && entry.digest === prepared.digest) {
        this.#mark({ candidate, id: candidate.id, base, outcome: "unchanged" });
        continue;
      }
      const judgement = judgeVersion(entry, candidate, this.#options.staleness);
      if (judgement === "stale") {
        this.#refuse(candidate, entry.fetchedAt);
        continue;
      }
      const yields = judgement === "fetched-later";
      const judged = { prepared: detach(prepared), base, tombstone: "", firstSeen: 0, yields };
      (judgement === "regressed" ? regressed : changed).push(judged);
    }
    await this.#runSteps(packer.finish());

    for (const judged of await this.#acceptRegressed(regressed)) changed.push(judged);
    if (changed.length > 0) await this.#update(changed);
    for (const [fetchedAt, marks] of this.#marks) {
      if (marks.length >= MARKS_A_CALL) await this.#flushMarks(fetchedAt);
    }
  }

  /** Of the lower versions, those that an earlier pass has seen with the same content; the others are refused. */
  async #acceptRegressed(regressed: Judged[]): Promise<Judged[]> {
    if (regressed.length === 0) return [];
    const remember = this.#options.acceptRepeatedRegression;
    const known = remember
      ? await this.#context.redis.hmget(
          this.#run.regressed,
          ...regressed.map(({ prepared }) => prepared.candidate.id),
        )
      : [];
    // An id that is listed twice with different content would be rewritten by each of its copies in turn.
    const marks = await this.#context.redis.hmget(
      this.#run.seen,
      ...regressed.map(({ prepared }) => prepared.candidate.id),
    );
    return regressed.filter((judged, i) => {
      const { candidate, digest } = judged.prepared;
      const [pass, seenDigest] = known[i]?.split(":") ?? [];
      const regressedDigest = hex(digest);
      const repeated = seenDigest === regressedDigest && Number(pass) < this.#attempt.pass;
      if (repeated && !hasDifferentCopies(marks[i])) return true;
      const mark = { candidate, id: candidate.id, base: "", outcome: "stale" } as const;
      this.#mark(remember ? { ...mark, regressedDigest } : mark);
      return false;
    });
  }

  async #update(changed: Judged[]): Promise<void> {
    const { redis, keys } = this.#context;
    const heads = await Promise.all(
      changed.map(async ({ prepared: { candidate } }): Promise<RecordHead | undefined> => {
        const stored = await redis.hgetBuffer(keys.record(candidate.id), "h");
        if (!stored) return undefined;
        const head = decodeHead(candidate.id, stored);
        if (head.digestVersion === DIGEST_VERSION) return head;
        return withCurrentDigests(candidate.id, head, await redis.hgetallBuffer(keys.record(candidate.id)));
      }),
    );
    const packer = new StepPacker<Candidate>(this.#context, this.#tools.frame);
    for (let i = 0; i < changed.length; i++) {
      const judged = changed[i]!;
      const head = heads[i];
      // An entry without a record can only be the work of somebody else's hand: the record is written whole.
      packer.add(judged.prepared.candidate, head ? partialWrite(judged, head) : wholeWrite(judged, "u"));
    }
    await this.#runSteps(packer.finish());
  }

  async #runSteps(steps: Step<Candidate>[]): Promise<void> {
    for (const step of steps) {
      this.#options.signal?.throwIfAborted();
      const outcomes = await runStep(this.#context, this.#attempt, this.#run, step);
      step.items.forEach(({ source, op, bytes }, i) => {
        const outcome = outcomes[i];
        if (outcome === "conflict") this.#conflicts.push(source);
        else if (outcome === "stale") this.result.stale++;
        else {
          this.result[op === "c" ? "created" : op === "u" ? "updated" : "unchanged"]++;
          this.result.bytesWritten += bytes;
        }
      });
    }
  }

  /** Older than what is stored. Kept bytes of a bad record may be; what was fetched just now may not. */
  #refuse(candidate: Candidate, storedAt: number): void {
    const mark = { candidate, id: candidate.id, base: "", outcome: "stale" } as const;
    this.#mark(this.#options.keptBytes ? mark : { ...mark, refusedFor: storedAt });
  }

  #mark(mark: CandidateMark): void {
    const { fetchedAt } = mark.candidate;
    const waiting = this.#marks.get(fetchedAt);
    if (waiting) waiting.push(mark);
    else this.#marks.set(fetchedAt, [mark]);
  }

  async #flushMarks(fetchedAt: number): Promise<void> {
    const marks = this.#marks.get(fetchedAt) ?? [];
    this.#marks.delete(fetchedAt);
    for (const chunk of chunksOf(marks, MARKS_A_CALL)) {
      this.#options.signal?.throwIfAborted();
      const conflicts = new Set(await markSeen(this.#context, this.#attempt, "n", fetchedAt, chunk));
      for (const mark of chunk) {
        if (conflicts.has(mark)) this.#conflicts.push(mark.candidate);
        else this.result[mark.outcome]++;
      }
    }
  }
}

/** Member by member: made for every new record, and a spread costs several times as much. */
function wholeWrite(judged: Judged, op: "c" | "u"): RecordWrite {
  const { prepared, base, tombstone, firstSeen, yields } = judged;
  return {
    id: prepared.candidate.id,
    op,
    replace: true,
    yields,
    base,
    tombstone,
    entry: entryOf(prepared),
    fetchedAt: prepared.candidate.fetchedAt,
    firstSeen,
    lastChanged: 0,
    prepared,
    digests: largeDigests(prepared),
    changed: op === "u" ? prepared.fields.map(({ name }) => name) : [],
    drop: [],
    addAliases: prepared.candidate.aliases,
    removeAliases: [],
  };
}

function partialWrite(judged: Judged, head: RecordHead): RecordWrite {
  const { prepared, base, tombstone, yields } = judged;
  const digests = largeDigests(prepared);
  const diff = diffFields(head, incomingFields(prepared, digests));
  const quiet = diff.changed.length === 0;
  const { aliases } = prepared.candidate;
  return {
    id: prepared.candidate.id,
    op: quiet ? "q" : "u",
    replace: false,
    yields,
    base,
    tombstone,
    entry: entryOf(prepared),
    fetchedAt: prepared.candidate.fetchedAt,
    firstSeen: head.firstSeen,
    lastChanged: quiet ? head.lastChanged : 0,
    prepared,
    digests,
    changed: diff.changed,
    set: diff.write,
    drop: diff.drop,
    addAliases: aliases.filter((alias) => !head.aliases.includes(alias)),
    removeAliases: head.aliases.filter((alias) => !aliases.includes(alias)),
  };
}

const entryOf = ({ candidate, digest }: Prepared): string =>
  packIndexEntry({
    digestVersion: DIGEST_VERSION,
    digest,
    fetchedAt: candidate.fetchedAt,
    lastModified: candidate.lastModified,
  });

/**
 * Commits records: read index entries → compare (unchanged, stale, new, changed) → read the content of changed ones → diff
 * → atomic steps. Windows of 32 records overlap, so that latency hides behind the digests of the next window. A record that
 * changes between comparison and write comes back as a conflict and is compared again, a bounded number of times.
 */
import type { RunKeys } from "../redis/keys.ts";
import type { CanonicalWriter } from "./canonicalWriter.ts";
import { type RecordWrite, runStep, type Step, StepPacker } from "./commitSteps.ts";
import { baseText, type Content, patchText } from "./content.ts";
import type { Attempt, CommitOptions, CommitResult, IncomingRecord } from "./contract.ts";
import { diffFields, type FieldDiff } from "./diff.ts";
import { DIGEST_VERSION } from "./digest.ts";
import type { FrameWriter } from "./frame.ts";
import { fitsInline, type IndexEntry, packInline, packReferenced, unpackIndexEntry } from "./indexEntry.ts";
import { readEntries } from "./indexReads.ts";
import { linkKeys } from "./links.ts";
import { type Candidate, candidatesOf, detach, type Prepared, prepare } from "./prepare.ts";
import { hasDifferentCopies, MARKS_A_CALL, type Mark, markSeen } from "./seenMarks.ts";
import { compareVersions } from "./staleness.ts";
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
/** When the patches of a record outweigh this share of its base, the next commit writes a new base. */
const PATCHES_SHARE = 0.5;

export interface CommitTools {
  readonly context: StoreContext;
  readonly writer: CanonicalWriter;
  readonly frame: FrameWriter;
}

interface CandidateMark extends Mark {
  readonly candidate: Candidate;
  readonly outcome: "unchanged" | "stale";
}

/** A candidate to be written, and what it was compared with. */
interface Compared {
  readonly prepared: Prepared;
  readonly base: string;
  readonly entry: IndexEntry | undefined;
  readonly tombstone: string;
  /** ms; 0 for one never seen before. */
  readonly firstSeen: number;
  readonly yields: boolean;
}

/** Longer texts do not fit into an index entry, whatever compression makes of them. */
const INLINE_TEXT_BYTES = 160;

/** A record as it is stored, and what its content takes. */
interface Stored extends Content {
  readonly inline: boolean;
  readonly baseBytes: number;
  readonly patchBytes: number;
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

  /** Compares and writes all of them once; returns those that changed meanwhile. */
  async round(candidates: Candidate[]): Promise<Candidate[]> {
    this.#conflicts = [];
    const { redis, keys } = this.#context;
    this.#anyTombstones = (await redis.hlen(keys.tombstones)) > 0;
    await inParallel(chunksOf(candidates, STEP_RECORDS), WINDOWS_IN_FLIGHT, (window) => this.#window(window));
    for (const fetchedAt of [...this.#marks.keys()]) await this.#flushMarks(fetchedAt);
    return this.#conflicts;
  }

  async #window(window: Candidate[]): Promise<void> {
    const { redis, keys, content } = this.#context;
    const { writer, frame } = this.#tools;
    this.#options.signal?.throwIfAborted();
    const entries = await this.#entries(window);
    const fresh = window.filter((_, i) => entries[i] === "");
    const tombstones = new Map<string, string>();
    if (fresh.length > 0 && this.#anyTombstones) {
      const found = await redis.hmget(keys.tombstones, ...fresh.map(({ id }) => id));
      for (let i = 0; i < fresh.length; i++) if (found[i]) tombstones.set(fresh[i]!.id, found[i]!);
    }

    // From here to `finish` without a pause: writer and frame are shared by all windows.
    const packer = new StepPacker<Candidate>(this.#context, frame);
    const changed: Compared[] = [];
    const regressed: Compared[] = [];
    for (let i = 0; i < window.length; i++) {
      const candidate = window[i]!;
      const prepared = prepare(writer, candidate);
      const base = entries[i]!;
      if (base === "") {
        const raw = tombstones.get(candidate.id) ?? "";
        const tombstone = raw === "" ? undefined : parseTombstone(candidate.id, raw);
        if (tombstone && candidate.fetchedAt <= tombstone.at) {
          this.#refuse(candidate, tombstone.at);
          continue;
        }
        const firstSeen = tombstone ? Date.parse(tombstone.firstSeen) : 0;
        const compared = { prepared, base, entry: undefined, tombstone: raw, firstSeen, yields: true };
        packer.add(candidate, this.#wholeWrite(compared, "c"));
        continue;
      }
      const entry = unpackIndexEntry(base);
      const same =
        entry.digests === undefined
          ? entry.inline === content.encode(baseText(prepared.bytes, candidate.aliases)).toString("latin1")
          : entry.digests.version === DIGEST_VERSION && entry.digests.record === prepared.digest;
      if (same && entry.digests !== undefined && !sameText(candidate, entry.digests.text)) {
        // The same record in another text: only the entry is written, so that this text is recognised next time.
        packer.add(candidate, textWrite(prepared, base, entry));
        continue;
      }
      if (same) {
        this.#mark({ candidate, id: candidate.id, base, outcome: "unchanged" });
        continue;
      }
      const order = compareVersions(entry, candidate, this.#options.staleness);
      if (order === "stale") {
        this.#refuse(candidate, entry.fetchedAt);
        continue;
      }
      const yields = order === "fetched-later";
      const { firstSeen } = entry;
      const compared = { prepared: detach(prepared), base, entry, tombstone: "", firstSeen, yields };
      (order === "regressed" ? regressed : changed).push(compared);
    }
    await this.#runSteps(packer.finish());

    for (const compared of await this.#acceptRegressed(regressed)) changed.push(compared);
    if (changed.length > 0) await this.#update(changed);
    for (const [fetchedAt, marks] of this.#marks) {
      if (marks.length >= MARKS_A_CALL) await this.#flushMarks(fetchedAt);
    }
  }

  /** The entries that are known already, or those that stand there now. */
  async #entries(window: readonly Candidate[]): Promise<readonly string[]> {
    const known = window.map(({ entry }) => entry).filter((entry) => entry !== undefined);
    if (known.length === window.length) return known;
    return await readEntries(
      this.#context,
      window.map(({ id }) => id),
    );
  }

  /** To be compared again, with what stands there by then. */
  #conflict(candidate: Candidate): void {
    this.#conflicts.push({ ...candidate, entry: undefined });
  }

  /** Keeps the lower versions that an earlier pass has seen with the same content; the others are refused. */
  async #acceptRegressed(regressed: Compared[]): Promise<Compared[]> {
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
    return regressed.filter((compared, i) => {
      const { candidate, digest } = compared.prepared;
      const [pass, seenDigest] = known[i]?.split(":") ?? [];
      const regressedDigest = hex(digest);
      const repeated = seenDigest === regressedDigest && Number(pass) < this.#attempt.pass;
      if (repeated && !hasDifferentCopies(marks[i])) return true;
      const mark = { candidate, id: candidate.id, base: "", outcome: "stale" } as const;
      this.#mark(remember ? { ...mark, regressedDigest } : mark);
      return false;
    });
  }

  async #update(changed: Compared[]): Promise<void> {
    const stored = await Promise.all(
      changed.map(({ prepared, entry }) => this.#stored(prepared.candidate.id, entry!)),
    );
    const packer = new StepPacker<Candidate>(this.#context, this.#tools.frame);
    changed.forEach((compared, i) => {
      const { candidate } = compared.prepared;
      const write = this.#updateWrite(compared, stored[i]);
      // Other texts of the same numbers in a small record: the stored texts stay.
      const sameAliases = write.addAliases.length + write.removeAliases.length === 0;
      if (write.op === "q" && sameAliases && compared.entry?.inline !== undefined) {
        this.#mark({ candidate, id: candidate.id, base: compared.base, outcome: "unchanged" });
      } else packer.add(candidate, write);
    });
    await this.#runSteps(packer.finish());
  }

  /** What is stored of a record; undefined where its content is gone (removed meanwhile, or deleted by hand). */
  async #stored(id: string, entry: IndexEntry): Promise<Stored | undefined> {
    const { redis, keys, content } = this.#context;
    const elements =
      entry.inline === undefined
        ? await redis.lrangeBuffer(keys.record(id), 0, -1)
        : [Buffer.from(entry.inline, "latin1")];
    const [base, ...patches] = elements;
    if (base === undefined) return undefined;
    return {
      ...content.decode(id, elements),
      inline: entry.inline !== undefined,
      baseBytes: base.length,
      patchBytes: patches.reduce((sum, patch) => sum + patch.length, 0),
    };
  }

  async #runSteps(steps: Step<Candidate>[]): Promise<void> {
    for (const step of steps) {
      this.#options.signal?.throwIfAborted();
      const outcomes = await runStep(this.#context, this.#attempt, this.#run, step);
      step.items.forEach(({ source, op, bytes }, i) => {
        const outcome = outcomes[i];
        if (outcome === "conflict") this.#conflict(source);
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
        if (conflicts.has(mark)) this.#conflict(mark.candidate);
        else this.result[mark.outcome]++;
      }
    }
  }

  /** Member by member: made for every new record, and a spread costs several times as much. */
  #wholeWrite(compared: Compared, op: "c" | "u"): RecordWrite {
    const { prepared, base, tombstone, firstSeen, yields } = compared;
    const { candidate, bytes } = prepared;
    const content = this.#context.content.encode(baseText(bytes, candidate.aliases));
    const inline = fitsInline(content.length, candidate.lastModified);
    return {
      id: candidate.id,
      op,
      replace: true,
      yields,
      base,
      tombstone,
      entry: entryOf(prepared, inline),
      fetchedAt: candidate.fetchedAt,
      firstSeen,
      lastChanged: 0,
      content,
      inline,
      changed: op === "u" ? prepared.fields.map(({ name }) => name) : [],
      addAliases: candidate.aliases,
      removeAliases: [],
      addLinks: linkKeys(this.#context, candidate.data),
      removeLinks: [],
    };
  }

  #updateWrite(compared: Compared, stored: Stored | undefined): RecordWrite {
    // The content was deleted by hand: the record is written whole.
    if (stored === undefined) return this.#wholeWrite(compared, "u");
    const { prepared, base, tombstone, yields } = compared;
    const { candidate, bytes, fields } = prepared;
    const entry = compared.entry!;
    const diff = diffFields(stored.data, bytes, fields, this.#context.provider.numbers);
    const addAliases = candidate.aliases.filter((alias) => !stored.aliases.includes(alias));
    const removeAliases = stored.aliases.filter((alias) => !candidate.aliases.includes(alias));
    const sameAliases = addAliases.length + removeAliases.length === 0;
    const op = diff.changed.length === 0 ? "q" : "u";
    const content = this.#newContent(prepared, stored, diff, sameAliases);
    const inline = content?.whole === true && fitsInline(content.element.length, candidate.lastModified);
    const [before, after] = [stored.data, candidate.data].map((data) =>
      op === "q" ? [] : linkKeys(this.#context, data),
    ) as [string[], string[]];
    return {
      id: candidate.id,
      op,
      replace: content?.whole === true,
      yields,
      base,
      tombstone,
      entry: entryOf(prepared, inline),
      fetchedAt: candidate.fetchedAt,
      firstSeen: entry.firstSeen,
      lastChanged: op === "q" ? entry.lastChanged : 0,
      ...(content ? { content: content.element } : {}),
      inline,
      changed: diff.changed,
      addAliases,
      removeAliases,
      addLinks: after.filter((key) => !before.includes(key)),
      removeLinks: before.filter((key) => !after.includes(key)),
    };
  }

  /** A patch, or a new base where patches would weigh too much; undefined where the stored content stands. */
  #newContent(
    { candidate, bytes }: Prepared,
    stored: Stored,
    diff: FieldDiff,
    sameAliases: boolean,
  ): { element: Buffer; whole: boolean } | undefined {
    const { content } = this.#context;
    if (!stored.inline && diff.changed.length === 0 && sameAliases) return undefined;
    if (!stored.inline && (candidate.lastModified !== undefined || bytes.length > INLINE_TEXT_BYTES)) {
      const aliases = sameAliases ? undefined : candidate.aliases;
      const element = content.encode(patchText(bytes, diff.set, diff.drop, aliases));
      if (stored.patchBytes + element.length <= stored.baseBytes * PATCHES_SHARE) {
        return { element, whole: false };
      }
    }
    return { element: content.encode(baseText(bytes, candidate.aliases)), whole: true };
  }
}

function entryOf({ candidate, digest }: Prepared, inline: boolean): string {
  if (inline) return packInline(candidate);
  return packReferenced(candidate, { version: DIGEST_VERSION, record: digest, text: candidate.textDigest });
}

const sameText = ({ textDigest }: Candidate, stored: string): boolean =>
  textDigest === "" || textDigest === stored;

/** Writes the digest of another text of the same record, and nothing else: its versions stay as they are. */
function textWrite({ candidate, digest }: Prepared, base: string, entry: IndexEntry): RecordWrite {
  const digests = { version: DIGEST_VERSION, record: digest, text: candidate.textDigest };
  return {
    id: candidate.id,
    op: "q",
    replace: false,
    yields: true,
    base,
    tombstone: "",
    fetchedAt: candidate.fetchedAt,
    entry: packReferenced(entry, digests),
    firstSeen: entry.firstSeen,
    lastChanged: entry.lastChanged,
    inline: false,
    changed: [],
    addAliases: [],
    removeAliases: [],
    addLinks: [],
    removeLinks: [],
  };
}

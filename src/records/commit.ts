/**
 * Commits records: read index entries → compare (unchanged, stale, new, changed) → read the content of changed ones → diff
 * → atomic steps. Windows of 64 records overlap, so that the latency of Redis and the time of compression pass behind the
 * next window. A record that changes between comparison and write comes back as a conflict and is compared again, a bounded
 * number of times.
 *
 * A record that comes as its source's text is stored as that text, without being parsed here: the digest of the text tells
 * whether it has changed. Only where the text differs from the one that is stored is the record compared field by field.
 */
import { isUeeError } from "../core/errors.ts";
import type { RunKeys } from "../redis/keys.ts";
import type { CanonicalWriter } from "./canonicalWriter.ts";
import { type RecordWrite, runStep, type Step, StepPacker } from "./commitSteps.ts";
import { baseText, type Content, patchText } from "./content.ts";
import type { Attempt, CommitOptions, CommitResult, IncomingRecord } from "./contract.ts";
import { diffFields } from "./diff.ts";
import { DIGEST_VERSION, textDigestOf } from "./digest.ts";
import type { FrameWriter } from "./frame.ts";
import {
  type Digests,
  fitsInline,
  type IndexEntry,
  packInline,
  packReferenced,
  unpackIndexEntry,
  type Versions,
} from "./indexEntry.ts";
import { readEntries } from "./indexReads.ts";
import { keysOfLinks, linkKeys } from "./links.ts";
import { type Candidate, candidatesOf, dataOf, detach, type Prepared, prepare } from "./prepare.ts";
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
  readonly outcome: keyof typeof markCodes;
}

const markCodes = { unchanged: "n", stale: "n", missing: "m", differing: "f" } as const;

/** A candidate to be written, and what it was compared with. */
interface Compared {
  readonly candidate: Candidate;
  readonly entry: IndexEntry | undefined;
  readonly tombstone: string;
  /** ms; 0 for one never seen before. */
  readonly firstSeen: number;
  readonly yields: boolean;
}

/** A record as it is stored, and what its content takes. */
interface Stored extends Content {
  readonly inline: boolean;
  readonly baseBytes: number;
  readonly patchBytes: number;
}

/** A write whose content is still to be compressed. */
interface Draft {
  readonly compared: Compared;
  readonly op: RecordWrite["op"];
  /** What the entry says from now on. */
  readonly versions: Versions;
  /** The content element's text; absent where the content stays, or is inline. */
  text?: Buffer | undefined;
  /** The text is the whole record, and not a patch. */
  whole: boolean;
  /** The content in the index entry, latin-1. */
  inline: string;
  digests: Digests | undefined;
  readonly changed: readonly string[];
  readonly addAliases: readonly string[];
  readonly removeAliases: readonly string[];
  readonly addLinks: readonly string[];
  readonly removeLinks: readonly string[];
  /** A patch leads to this record, and may have this many bytes. */
  readonly patch?: { readonly prepared: Prepared; readonly most: number };
}

/** Longer texts do not fit into an index entry, whatever compression makes of them. */
const INLINE_TEXT_BYTES = 160;
const LINE_FEED = 0x0a;

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
    const unread = candidates.filter(({ entry }) => entry === undefined);
    const [tombstones, entries] = await Promise.all([
      redis.hlen(keys.tombstones),
      readEntries(
        this.#context,
        unread.map(({ id }) => id),
      ),
    ]);
    this.#anyTombstones = tombstones > 0;
    unread.forEach((candidate, i) => {
      candidate.entry = entries[i];
    });
    await inParallel(chunksOf(candidates, STEP_RECORDS), WINDOWS_IN_FLIGHT, (window) => this.#window(window));
    for (const fetchedAt of [...this.#marks.keys()]) await this.#flushMarks(fetchedAt);
    return this.#conflicts;
  }

  async #window(window: Candidate[]): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const looks = this.#options.reconcile === "look";
    const [tombstones, contents] = await Promise.all([this.#tombstones(window), this.#contents(window)]);
    const drafts: Draft[] = [];
    const changed: Compared[] = [];
    const regressed: Compared[] = [];
    for (const candidate of window) {
      if (candidate.entry === "") {
        const raw = tombstones.get(candidate.id) ?? "";
        const tombstone = raw === "" ? undefined : parseTombstone(candidate.id, raw);
        if (tombstone && candidate.fetchedAt <= tombstone.at) {
          this.#refuse(candidate, tombstone.at);
          continue;
        }
        if (looks) {
          this.#mark({ candidate, id: candidate.id, base: "", outcome: "missing" });
          continue;
        }
        const firstSeen = tombstone ? Date.parse(tombstone.firstSeen) : 0;
        const compared = { candidate, entry: undefined, tombstone: raw, firstSeen, yields: true };
        drafts.push(this.#whole(compared, "c"));
        continue;
      }
      const entry = unpackIndexEntry(candidate.entry!);
      const same = this.#compare(candidate, entry);
      const asStored = contents === undefined || this.#isContent(candidate, contents.get(candidate));
      if (looks && asStored) {
        this.#mark({ candidate, id: candidate.id, base: candidate.entry!, outcome: "unchanged" });
        continue;
      }
      if (same !== "unknown" && !asStored) {
        // The index says that the record is stored, and its content is another or none.
        const compared = { candidate, entry, tombstone: "", firstSeen: entry.firstSeen, yields: true };
        if (looks) this.#mark({ candidate, id: candidate.id, base: candidate.entry!, outcome: "differing" });
        else drafts.push(this.#whole(compared, "u", this.#fieldNames(candidate)));
        continue;
      }
      if (same === "same") {
        this.#mark({ candidate, id: candidate.id, base: candidate.entry!, outcome: "unchanged" });
        continue;
      }
      const { firstSeen } = entry;
      if (typeof same === "object") {
        // The same record in another text: only the entry is written, so that this text is recognised next time.
        const compared = { candidate, entry, tombstone: "", firstSeen, yields: true };
        drafts.push({ ...nothingNew(compared), versions: entry, digests: same });
        continue;
      }
      const order = compareVersions(entry, candidate, this.#options.staleness);
      if (order === "stale") {
        this.#refuse(candidate, entry.fetchedAt);
        continue;
      }
      const yields = order === "fetched-later";
      const compared = { candidate, entry, tombstone: "", firstSeen, yields };
      (order === "regressed" ? regressed : changed).push(compared);
    }
    await this.#write(drafts);

    for (const compared of await this.#acceptRegressed(regressed)) changed.push(compared);
    if (looks) {
      for (const { candidate } of changed.splice(0)) {
        this.#mark({ candidate, id: candidate.id, base: candidate.entry!, outcome: "differing" });
      }
    }
    if (changed.length > 0) await this.#update(changed);
    for (const [fetchedAt, marks] of this.#marks) {
      if (marks.length >= MARKS_A_CALL) await this.#flushMarks(fetchedAt);
    }
  }

  /** Tombstones of the window's records that are not live, where there are any. */
  async #tombstones(window: readonly Candidate[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const gone = this.#anyTombstones ? window.filter(({ entry }) => entry === "") : [];
    if (gone.length === 0) return found;
    const { redis, keys } = this.#context;
    const raw = await redis.hmget(keys.tombstones, ...gone.map(({ id }) => id));
    gone.forEach(({ id }, i) => {
      if (raw[i]) found.set(id, raw[i]);
    });
    return found;
  }

  /** What is stored of the window's live records, for a reconciliation only; undefined where it cannot be read. */
  async #contents(window: readonly Candidate[]): Promise<Map<Candidate, Stored | undefined> | undefined> {
    if (!this.#options.reconcile) return undefined;
    const live = window.filter(({ entry }) => entry !== "");
    return new Map(
      await Promise.all(
        live.map(async (candidate): Promise<[Candidate, Stored | undefined]> => {
          return [candidate, await this.#stored(candidate.id, unpackIndexEntry(candidate.entry!))];
        }),
      ),
    );
  }

  #isContent(candidate: Candidate, stored: Stored | undefined): boolean {
    if (stored === undefined) return false;
    const { writer } = this.#tools;
    const { data, aliases } = stored;
    return prepare(writer, { ...candidate, data, aliases }).digest === prepare(writer, candidate).digest;
  }

  #fieldNames(candidate: Candidate): string[] {
    return prepare(this.#tools.writer, candidate).fields.map(({ name }) => name);
  }

  /** `same`; or the digests to store for a record that is the same in another text; or `unknown`: its content decides. */
  #compare(candidate: Candidate, { inline, digests }: IndexEntry): "same" | Digests | "unknown" {
    if (inline !== undefined) return inline === this.#inlineOf(candidate) ? "same" : "unknown";
    const text = this.#textDigest(candidate);
    if (text !== "" && text === digests!.text) return "same";
    if (digests!.record === "" || digests!.version !== DIGEST_VERSION) return "unknown";
    const { digest } = prepare(this.#tools.writer, candidate);
    if (digest !== digests!.record) return "unknown";
    return text === "" ? "same" : { version: DIGEST_VERSION, record: digest, text };
  }

  #textDigest({ data }: Candidate): string {
    return Buffer.isBuffer(data) ? textDigestOf(data, this.#context.provider.version) : "";
  }

  /** What lies in the index entry of a record so small that it has no other key, latin-1; undefined for any other record. */
  #inlineOf(candidate: Candidate): string | undefined {
    const { id, data, aliases, lastModified } = candidate;
    if (lastModified !== undefined) return undefined;
    const { content } = this.#context;
    if (!Buffer.isBuffer(data) && aliases.length === 0) {
      const row = content.encodeRow(id, data);
      if (row !== undefined && fitsInline(row.length, lastModified)) return row;
    }
    if (Buffer.isBuffer(data) && data.length > INLINE_TEXT_BYTES) return undefined;
    const { bytes } = prepare(this.#tools.writer, candidate);
    if (bytes.length > INLINE_TEXT_BYTES) return undefined;
    const element = content.encode(baseText(bytes, aliases));
    return fitsInline(element.length, lastModified) ? element.toString("latin1") : undefined;
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
          ...regressed.map(({ candidate }) => candidate.id),
        )
      : [];
    // An id that is listed twice with different content would be rewritten by each of its copies in turn.
    const marks = await this.#context.redis.hmget(
      this.#run.seen,
      ...regressed.map(({ candidate }) => candidate.id),
    );
    return regressed.filter((compared, i) => {
      const { candidate } = compared;
      const digest = this.#textDigest(candidate) || prepare(this.#tools.writer, candidate).digest;
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
      changed.map(({ candidate, entry }) => this.#stored(candidate.id, entry!)),
    );
    const drafts: Draft[] = [];
    changed.forEach((compared, i) => {
      const draft = this.#updateOf(compared, stored[i]);
      const { candidate } = compared;
      // Other texts of the same numbers in a small record: the stored texts stay.
      const sameAliases = draft.addAliases.length + draft.removeAliases.length === 0;
      if (draft.op === "q" && sameAliases && compared.entry?.inline !== undefined) {
        this.#mark({ candidate, id: candidate.id, base: candidate.entry!, outcome: "unchanged" });
      } else drafts.push(draft);
    });
    await this.#write(drafts);
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
    let decoded: Content;
    try {
      decoded = content.decode(id, elements);
    } catch (error) {
      // A reconciliation writes what cannot be read again.
      if (this.#options.reconcile && isUeeError(error, "STOR_CORRUPT")) return undefined;
      throw error;
    }
    return {
      ...decoded,
      inline: entry.inline !== undefined,
      baseBytes: base.length,
      patchBytes: patches.reduce((sum, patch) => sum + patch.length, 0),
    };
  }

  /** Compresses what the drafts hold, and writes them. */
  async #write(drafts: readonly Draft[]): Promise<void> {
    if (drafts.length === 0) return;
    const { content } = this.#context;
    const elements = new Map<Draft, Buffer>();
    const encode = async (some: readonly Draft[]): Promise<void> => {
      const encoded = await content.encodeAll(some.map(({ text }) => text!));
      some.forEach((draft, i) => {
        elements.set(draft, encoded[i]!);
      });
    };
    const patches = drafts.filter(({ patch }) => patch !== undefined);
    if (patches.length > 0) await encode(patches);
    for (const draft of patches) {
      if (elements.get(draft)!.length <= draft.patch!.most) continue;
      const { candidate } = draft.compared;
      elements.delete(draft);
      draft.whole = true;
      draft.text = baseText(storable(candidate) ?? draft.patch!.prepared.bytes, candidate.aliases);
    }
    const rest = drafts.filter((draft) => draft.text !== undefined && !elements.has(draft));
    if (rest.length > 0) await encode(rest);
    // Without a pause until `finish`: all windows share the frame.
    const packer = new StepPacker<Candidate>(this.#context, this.#tools.frame);
    for (const draft of drafts) packer.add(draft.compared.candidate, writeOf(draft, elements.get(draft)));
    await this.#runSteps(packer.finish());
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
      for (const code of new Set(chunk.map(({ outcome }) => markCodes[outcome]))) {
        const some = chunk.filter(({ outcome }) => markCodes[outcome] === code);
        const conflicts = new Set(await markSeen(this.#context, this.#attempt, code, fetchedAt, some));
        for (const mark of some) {
          if (conflicts.has(mark)) this.#conflict(mark.candidate);
          else this.result[mark.outcome === "stale" ? "stale" : "unchanged"]++;
        }
      }
    }
  }

  #links(candidate: Candidate): string[] {
    if (this.#context.provider.links === undefined) return [];
    const { links } = candidate;
    return links === undefined
      ? linkKeys(this.#context, dataOf(candidate))
      : keysOfLinks(this.#context, links);
  }

  #whole(compared: Compared, op: "c" | "u", changed: readonly string[] = []): Draft {
    const { candidate } = compared;
    const draft: Draft = {
      compared,
      op,
      versions: candidate,
      whole: true,
      inline: this.#inlineOf(candidate) ?? "",
      digests: undefined,
      changed,
      addAliases: candidate.aliases,
      removeAliases: [],
      addLinks: this.#links(candidate),
      removeLinks: [],
    };
    if (draft.inline !== "") return draft;
    const text = this.#textDigest(candidate);
    const source = storable(candidate);
    if (source !== undefined) {
      draft.text = baseText(source, candidate.aliases);
      draft.digests = { version: DIGEST_VERSION, record: "", text };
    } else {
      const { bytes, digest } = detach(prepare(this.#tools.writer, candidate));
      draft.text = baseText(bytes, candidate.aliases);
      draft.digests = { version: DIGEST_VERSION, record: digest, text };
    }
    return draft;
  }

  #updateOf(compared: Compared, stored: Stored | undefined): Draft {
    const { candidate } = compared;
    const prepared = detach(prepare(this.#tools.writer, candidate));
    // The content was deleted by hand: the record is written whole.
    if (stored === undefined) return this.#whole(compared, "u", this.#fieldNames(candidate));
    const { bytes, fields, digest } = prepared;
    const diff = diffFields(stored.data, bytes, fields, this.#context.provider.numbers);
    const addAliases = candidate.aliases.filter((alias) => !stored.aliases.includes(alias));
    const removeAliases = stored.aliases.filter((alias) => !candidate.aliases.includes(alias));
    const sameAliases = addAliases.length + removeAliases.length === 0;
    const op = diff.changed.length === 0 ? "q" : "u";
    const [before, after] =
      op === "q" ? [[], []] : [linkKeys(this.#context, stored.data), this.#links(candidate)];
    const digests = { version: DIGEST_VERSION, record: digest, text: this.#textDigest(candidate) };
    const draft: Draft = {
      ...nothingNew(compared),
      op,
      digests,
      changed: diff.changed,
      addAliases,
      removeAliases,
      addLinks: after.filter((key) => !before.includes(key)),
      removeLinks: before.filter((key) => !after.includes(key)),
    };
    if (op === "q" && sameAliases && !stored.inline) return draft;
    if (!stored.inline && (candidate.lastModified !== undefined || bytes.length > INLINE_TEXT_BYTES)) {
      const text = patchText(bytes, diff.set, diff.drop, sameAliases ? undefined : candidate.aliases);
      const most = stored.baseBytes * PATCHES_SHARE - stored.patchBytes;
      return { ...draft, text, patch: { prepared, most } };
    }
    const { addLinks, removeLinks, changed } = draft;
    return { ...this.#whole(compared, "u"), op, changed, addAliases, removeAliases, addLinks, removeLinks };
  }
}

/** The source's text where it can be stored as it is: in a list, a line feed ends it. */
const storable = ({ data }: Candidate): Buffer | undefined =>
  Buffer.isBuffer(data) && !data.includes(LINE_FEED) ? data : undefined;

/** A write of the entry alone. */
const nothingNew = (compared: Compared): Draft => ({
  compared,
  op: "q",
  versions: compared.candidate,
  whole: false,
  inline: "",
  digests: undefined,
  changed: [],
  addAliases: [],
  removeAliases: [],
  addLinks: [],
  removeLinks: [],
});

function writeOf(draft: Draft, content: Buffer | undefined): RecordWrite {
  const { compared, op, versions, whole, inline, digests, changed } = draft;
  const { addAliases, removeAliases, addLinks, removeLinks } = draft;
  const { candidate, entry, tombstone, firstSeen, yields } = compared;
  return {
    id: candidate.id,
    op,
    replace: whole,
    yields,
    base: candidate.entry!,
    tombstone,
    entry: inline === "" ? packReferenced(versions, digests!) : packInline(versions),
    fetchedAt: candidate.fetchedAt,
    firstSeen,
    lastChanged: op === "q" ? entry!.lastChanged : 0,
    content,
    inline,
    changed,
    addAliases,
    removeAliases,
    addLinks,
    removeLinks,
  };
}

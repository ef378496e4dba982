/**
 * What people do with dead letters: replay, accept, purge. A page at a time, so that any number costs the same memory, and
 * what was done stays done when the caller goes away. Who asked and why is kept before anything is touched.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NamedRequest } from "../../core/actor.ts";
import { logAction } from "./actionLog.ts";
import type {
  DeadLetterActionOptions,
  DeadLetterReport,
  DeadLetterSelection,
  DeadLetters,
  PurgeReport,
  ReplayReport,
} from "./api.ts";
import { type IndexFilter, type StoredDeadLetter, toDeadLetter, toLetterFilter } from "./deadLetter.ts";
import type { DeadLetterParts } from "./parts.ts";
import { openReplays, replayDeadLetters } from "./replays.ts";
import { endDeadLetter, removeFailedJob } from "./settle.ts";

/** Dead letters acted on together. */
const PAGE = 100;
/** Dead letters shown in a report. */
const SAMPLE = 20;

/** The provider of that name, or all. Throws PROV_UNKNOWN. */
export type Wanted = (provider?: string) => readonly DeadLetterParts[];

interface Action {
  verb: "replay" | "accept" | "purge";
  past: string;
  /** What the selection must also hold, where it says nothing of it. */
  usual: IndexFilter;
  /** Why this dead letter cannot be acted on, as far as can be told beforehand. */
  refuses(letter: StoredDeadLetter): string | undefined;
  /** Says of each dead letter `done`, or why not. */
  perform(parts: DeadLetterParts, letters: StoredDeadLetter[], by: NamedRequest): Promise<string[]>;
  /** It was done, or would be. */
  onDone?(letter: StoredDeadLetter): void;
}

const unlessDead = ({ state }: StoredDeadLetter): string | undefined =>
  state === "dead" ? undefined : state;

export function makeOperatorActions(wanted: Wanted): Pick<DeadLetters, "replay" | "accept" | "purge"> {
  return {
    async replay(selection, options = {}) {
      const runs = new Map<string, ReplayReport["runs"][number]>();
      let badRecords = 0;
      const report = await act(wanted, selection, options, {
        verb: "replay",
        past: "replayed",
        usual: { state: "dead" },
        refuses: (letter) => (letter.kind === "job" ? "not ours" : unlessDead(letter)),
        async perform(parts, letters, by) {
          const ids = letters.map(({ id }) => id);
          const takes = await replayDeadLetters(parts, ids, by);
          return takes.map((take) => {
            if (take.kind !== "taken") return take.why;
            const { runId } = take;
            const run = runs.get(runId) ?? {
              provider: parts.provider.name,
              runId,
              letters: 0,
              waitingFor: null,
            };
            runs.set(runId, { ...run, letters: run.letters + 1 });
            return "done";
          });
        },
        onDone: ({ kind }) => {
          if (kind === "record") badRecords += 1;
        },
      });
      for (const run of runs.values()) {
        const now = await openReplays(wanted(run.provider)[0]!);
        if (now?.runId === run.runId) run.waitingFor = now.waitingFor;
      }
      return { ...report, badRecords, runs: [...runs.values()] };
    },

    accept: (selection, options = {}) =>
      act(wanted, selection, options, {
        verb: "accept",
        past: "accepted",
        usual: { state: "dead", class: "bad-record" },
        refuses: (letter) => (letter.kind === "record" ? unlessDead(letter) : "not a bad record"),
        async perform({ runs, deadLetters }, letters, by) {
          const at = new Date(await runs.now()).toISOString();
          const outcomes = await Promise.all(letters.map(({ id }) => deadLetters.accept(id, { ...by, at })));
          return outcomes.map((outcome) => (outcome === "changed" ? "done" : outcome));
        },
      }),

    async purge(selection, options = {}) {
      const lost: PurgeReport["lost"] = { batches: 0, batchRecords: 0, records: 0, rawBytes: 0 };
      const report = await act(wanted, selection, options, {
        verb: "purge",
        past: "purged",
        usual: {},
        refuses: ({ state }) => (state === "replaying" ? state : undefined),
        perform: (parts, letters) =>
          Promise.all(
            letters.map(async (letter) => {
              if (!(await removeFailedJob(parts, letter))) return "its job is at work";
              return (await endDeadLetter(parts, letter, "purge")) ? "done" : "moved";
            }),
          ),
        onDone: ({ kind, size, rawBytes }) => {
          lost[kind === "record" ? "records" : "batches"] += 1;
          lost.batchRecords += kind === "batch" ? size : 0;
          lost.rawBytes += rawBytes;
        },
      });
      return { ...report, lost };
    },
  };
}

async function act(
  wanted: Wanted,
  selection: DeadLetterSelection,
  options: DeadLetterActionOptions,
  action: Action,
): Promise<DeadLetterReport> {
  const { dryRun = false, limit = Number.POSITIVE_INFINITY, rate, signal } = options;
  const report: DeadLetterReport = { dryRun, matched: 0, done: 0, skipped: {}, sample: [] };
  const skip = (why: string, count = 1): void => {
    report.skipped[why] = (report.skipped[why] ?? 0) + count;
  };
  const by: NamedRequest = { actor: options.actor ?? "library", reason: options.reason };
  const log = (parts: DeadLetterParts, what: string) =>
    logAction(parts, { what, selection: inWords(selection), actorKind: "person", ...by });
  const told = new Map<DeadLetterParts, number>();
  let found = 0;
  for await (const { parts, letters } of pages(
    wanted,
    selection,
    action.usual,
    Math.min(PAGE, rate?.max ?? PAGE),
  )) {
    if (report.matched >= limit || signal?.aborted) return await end();
    found += letters.length;
    const mine = letters.slice(0, limit - report.matched);
    report.matched += mine.length;
    const able = mine.filter((letter) => {
      const why = action.refuses(letter);
      if (why !== undefined) skip(why);
      return why === undefined;
    });
    if (able.length === 0) continue;
    if (!dryRun && !told.has(parts)) {
      await log(parts, `${action.verb} begun`);
      told.set(parts, 0);
    }
    const outcomes = dryRun ? able.map(() => "done") : await action.perform(parts, able, by);
    for (const [i, letter] of able.entries()) {
      if (outcomes[i] !== "done") {
        skip(outcomes[i]!);
        continue;
      }
      report.done += 1;
      action.onDone?.(letter);
      if (report.sample.length < SAMPLE) report.sample.push(toDeadLetter(parts.provider.name, letter));
      if (!dryRun) told.set(parts, told.get(parts)! + 1);
    }
    options.onProgress?.(report.done);
    const paceMs = rate && !dryRun ? (rate.windowMs * able.length) / rate.max : 0;
    if (paceMs > 0) await sleep(paceMs, undefined, { signal }).catch(() => undefined);
  }
  const gone = "ids" in selection ? new Set(selection.ids).size - found : 0;
  if (gone > 0) skip("gone", gone);
  return await end();

  async function end(): Promise<DeadLetterReport> {
    for (const [parts, done] of told) await log(parts, `${action.past} ${done}`);
    return report;
  }
}

/** `all`, `code VAL_RECORD_FIELD, older than 24 h`, or the ids. */
function inWords(selection: DeadLetterSelection): string {
  if ("ids" in selection) {
    const shown = selection.ids.slice(0, 5).join(", ");
    return selection.ids.length > 5 ? `${shown} and ${selection.ids.length - 5} more` : shown;
  }
  const words = Object.entries(selection)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`);
  return words.length === 0 ? "all" : words.join(", ");
}

async function* pages(wanted: Wanted, selection: DeadLetterSelection, usual: IndexFilter, size: number) {
  if ("ids" in selection) {
    const ids = [...new Set(selection.ids)];
    for (const parts of wanted()) {
      for (let i = 0; i < ids.length; i += size)
        yield { parts, letters: await parts.deadLetters.many(ids.slice(i, i + size)) };
    }
    return;
  }
  for (const parts of wanted(selection.provider)) {
    const filter = { ...usual, ...toLetterFilter(selection, await parts.runs.now()) };
    for await (const letters of parts.deadLetters.pages(filter, size)) yield { parts, letters };
  }
}

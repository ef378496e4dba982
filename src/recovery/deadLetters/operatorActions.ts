/**
 * What people do with dead letters: replay, accept, purge. A page at a time, so that any number costs the same memory, and
 * what was done stays done when the caller goes away. Who asked and why is kept before anything is touched.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type {
  DeadLetterActionOptions,
  DeadLetterFilter,
  DeadLetterReport,
  DeadLetterSelection,
  DeadLetters,
  PurgeReport,
  ReplayReport,
} from "./api.ts";
import { type StoredDeadLetter, toDeadLetter } from "./deadLetter.ts";
import type { IndexFilter } from "./deadLetterStore.ts";
import type { DeadLetterParts } from "./parts.ts";
import { type Asker, openReplays, replayDeadLetters, type Taken } from "./replays.ts";
import { endDeadLetter, removeFailedJob } from "./settle.ts";
import { toLetterFilter } from "./view.ts";

/** Dead letters acted on together. */
const PAGE = 100;
/** Dead letters shown in a report. */
const SAMPLE = 20;

/** The provider of that name, or all. Throws PROV_UNKNOWN. */
export type Wanted = (provider?: string) => readonly DeadLetterParts[];

/** What became of a dead letter: done, or why not. */
type Outcome = "done" | string;

interface Action {
  verb: "replay" | "accept" | "purge";
  past: string;
  /** What the selection must also hold, where it says nothing of it. */
  usual: IndexFilter;
  /** Why this dead letter cannot be acted on, as far as can be told beforehand. */
  refuses(letter: StoredDeadLetter): string | undefined;
  perform(parts: DeadLetterParts, letters: StoredDeadLetter[], by: Asker): Promise<Outcome[]>;
}

const stateOf = (letter: StoredDeadLetter): string | undefined =>
  letter.state === "dead" ? undefined : letter.state;

export function makeOperatorActions(wanted: Wanted): Pick<DeadLetters, "replay" | "accept" | "purge"> {
  return {
    async replay(selection, options = {}) {
      const runs = new Map<string, ReplayReport["runs"][number]>();
      let badRecords = 0;
      const action: Action = {
        verb: "replay",
        past: "replayed",
        usual: { state: "dead" },
        refuses: (letter) => (letter.kind === "job" ? "not ours" : stateOf(letter)),
        async perform(parts, letters, by) {
          const takes = await replayDeadLetters(
            parts,
            letters.map(({ id }) => id),
            by,
          );
          for (const take of takes) if (take.kind === "taken") noteRun(runs, parts, take);
          return takes.map((take) => (take.kind === "taken" ? "done" : take.why));
        },
      };
      const report = await act(wanted, selection, options, action, ({ kind }) => {
        if (kind === "record") badRecords += 1;
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
        refuses: (letter) => (letter.kind === "record" ? stateOf(letter) : "not a bad record"),
        perform: (parts, letters, by) =>
          Promise.all(
            letters.map(async ({ id }) => {
              const at = new Date(await parts.runs.now()).toISOString();
              const outcome = await parts.deadLetters.accept(id, { ...by, at });
              return outcome === "changed" ? "done" : outcome;
            }),
          ),
      }),

    async purge(selection, options = {}) {
      const lost: PurgeReport["lost"] = { batches: 0, batchRecords: 0, records: 0, rawBytes: 0 };
      const lose = (letter: StoredDeadLetter): void => {
        if (letter.kind === "record") lost.records += 1;
        else lost.batches += 1;
        lost.batchRecords += letter.kind === "batch" ? letter.size : 0;
        lost.rawBytes += letter.rawBytes;
      };
      const report = await act(
        wanted,
        selection,
        options,
        {
          verb: "purge",
          past: "purged",
          usual: {},
          refuses: (letter) => (letter.state === "replaying" ? "replaying" : undefined),
          perform: (parts, letters) => Promise.all(letters.map((letter) => purge(parts, letter))),
        },
        lose,
      );
      return { ...report, lost };
    },
  };
}

async function purge(parts: DeadLetterParts, letter: StoredDeadLetter): Promise<Outcome> {
  if (!(await removeFailedJob(parts, letter))) return "its job is at work";
  return (await endDeadLetter(parts, letter, "purge")) ? "done" : "moved";
}

function noteRun(
  runs: Map<string, ReplayReport["runs"][number]>,
  { provider }: DeadLetterParts,
  take: Taken,
): void {
  const known = runs.get(take.runId);
  if (known) known.letters += 1;
  else runs.set(take.runId, { provider: provider.name, runId: take.runId, letters: 1, waitingFor: null });
}

async function act(
  wanted: Wanted,
  selection: DeadLetterSelection,
  options: DeadLetterActionOptions,
  action: Action,
  onDone: (letter: StoredDeadLetter) => void = () => undefined,
): Promise<DeadLetterReport> {
  const report: DeadLetterReport = {
    dryRun: options.dryRun ?? false,
    matched: 0,
    done: 0,
    skipped: {},
    sample: [],
  };
  const by: Asker = { actor: options.actor ?? "library", reason: options.reason ?? null };
  const perPage = Math.min(PAGE, options.rate?.max ?? PAGE);
  const told = new Map<DeadLetterParts, number>();
  for await (const { parts, letters, gone } of pages(wanted, selection, action.usual, perPage)) {
    const room = (options.limit ?? Number.POSITIVE_INFINITY) - report.matched;
    if (room <= 0 || options.signal?.aborted) break;
    if (gone > 0) skip(report, "gone", gone);
    const mine = letters.slice(0, room);
    report.matched += mine.length;
    const able = mine.filter((letter) => {
      const why = action.refuses(letter);
      if (why !== undefined) skip(report, why, 1);
      return why === undefined;
    });
    if (able.length === 0) continue;
    if (!report.dryRun && !told.has(parts)) {
      await say(parts, `${action.verb} begun`, selection, by);
      told.set(parts, 0);
    }
    const outcomes = report.dryRun ? able.map(() => "done") : await action.perform(parts, able, by);
    for (const [i, letter] of able.entries()) {
      if (outcomes[i] !== "done") {
        skip(report, outcomes[i]!, 1);
        continue;
      }
      report.done += 1;
      onDone(letter);
      if (report.sample.length < SAMPLE) report.sample.push(toDeadLetter(parts.provider.name, letter));
      if (!report.dryRun) told.set(parts, told.get(parts)! + 1);
    }
    options.onProgress?.(report.done);
    if (options.rate && !report.dryRun) await pace(options.rate, able.length, options.signal);
  }
  for (const [parts, done] of told) await say(parts, `${action.past} ${done}`, selection, by);
  return report;
}

const skip = (report: DeadLetterReport, why: string, count: number): void => {
  report.skipped[why] = (report.skipped[why] ?? 0) + count;
};

async function pace(
  rate: { max: number; windowMs: number },
  done: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await sleep((rate.windowMs * done) / rate.max, undefined, { signal }).catch(() => undefined);
}

async function say(
  parts: DeadLetterParts,
  what: string,
  selection: DeadLetterSelection,
  by: Asker,
): Promise<void> {
  const at = new Date(await parts.runs.now()).toISOString();
  await parts.operatorActions.add({ at, what, selection: inWords(selection), ...by });
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

interface Page {
  parts: DeadLetterParts;
  letters: StoredDeadLetter[];
  /** Ids of the selection that no provider knows. */
  gone: number;
}

async function* pages(
  wanted: Wanted,
  selection: DeadLetterSelection,
  usual: IndexFilter,
  size: number,
): AsyncGenerator<Page> {
  if ("ids" in selection) return yield* named(wanted, [...new Set(selection.ids)], size);
  const { provider } = selection satisfies DeadLetterFilter;
  for (const parts of wanted(provider)) {
    const filter = { ...usual, ...toLetterFilter(selection, await parts.runs.now()) };
    for await (const letters of parts.deadLetters.pages(filter, size)) yield { parts, letters, gone: 0 };
  }
}

async function* named(wanted: Wanted, ids: string[], size: number): AsyncGenerator<Page> {
  const providers = wanted();
  for (let i = 0; i < ids.length; i += size) {
    const some = ids.slice(i, i + size);
    const found = await Promise.all(providers.map(({ deadLetters }) => deadLetters.many(some)));
    let gone = some.length - found.reduce((sum, letters) => sum + letters.length, 0);
    for (const [n, parts] of providers.entries()) {
      if (found[n]!.length === 0 && !(gone > 0 && n === providers.length - 1)) continue;
      yield { parts, letters: found[n]!, gone };
      gone = 0;
    }
  }
}

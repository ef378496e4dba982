/** Law 5: every batch ever planned is committed, a dead letter, or cancelled by a person; and no dead letter is dropped. */
import { deadLetterIdOf } from "../../../src/recovery/deadLetters/deadLetter.ts";
import type { FinalProvider } from "../history.ts";
import type { LawMaker } from "./law.ts";
import { byText } from "./model.ts";

/** Cancelled by a person, or by a configuration that nothing could run under. */
const cancels: ReadonlySet<string> = new Set(["stopped", "failed"]);
/** A purge takes the job first, and its letter a moment later; in a crash the sweeper comes between, ms. */
const PURGE_MS = 20_000;

export const accounted: LawMaker = ({ model, facts }, { breach, looked }) => {
  const lastEnd = new Map<string, number>();
  const purges = new Map<string, number>();
  /** Jobs of dead letters that left the failed set without a purge: their dead letters must be settled by a run's end. */
  const taken = new Map<string, { p: string; id: string; command: string; by: string; t: number }>();
  const verifiedAt = new Map<string, number>();
  /** When a dead letter last failed, by the history's clock: Redis' own may have stepped since. */
  const failedAt = new Map<string, number>();

  /** Dead letters that were settled; each is checked when it goes. */
  const settled = new Set<string>();

  /** The letter that speaks for a batch that gave up; of a replay, the letter that was replayed. */
  const letterOf = (run: string, batch: string): string =>
    /^replay\/([^/]+)\/\d+$/.exec(batch)?.[1] ?? deadLetterIdOf(run, batch);

  /**
   * A batch that gave up has its dead letter until that settles, and then another status. A replay that gave up has given
   * the dead letter back to the batch that was replayed: its own status stays.
   */
  const spokenFor = (p: string, f: FinalProvider, run: string, batch: string): boolean => {
    const letter = letterOf(run, batch);
    return f.letters[letter] !== undefined || (batch.startsWith("replay/") && settled.has(`${p} ${letter}`));
  };

  const checkStatuses = (p: string, f: FinalProvider, id: string, statuses: Iterable<string>): void => {
    const kept = f.runs[id];
    if (!kept) {
      breach(`${p}: nothing is known of ${id} any more`);
      return;
    }
    const { state, result = "" } = kept.fields;
    if (state !== "closed") breach(`${p}: ${id} is ${state} at the end`);
    for (const batch of statuses) {
      looked();
      const status = kept.statuses[batch];
      if (status === undefined) breach(`${p}: ${id} knows nothing of its batch ${batch}`);
      else if (status.startsWith("p")) breach(`${p}: batch ${batch} of ${id} is planned for ever`);
      else if (status.startsWith("x") && !cancels.has(result) && !purges.has(p)) {
        breach(`${p}: batch ${batch} of ${id} was cancelled, and the run ended ${result}`);
      } else if (status.startsWith("d") && !spokenFor(p, f, id, batch) && !purges.has(p)) {
        breach(`${p}: batch ${batch} of ${id} is dead and no dead letter`);
      }
    }
  };

  return {
    event(event) {
      if (event.k === "run-end" && event.r !== null) lastEnd.set(event.r.provider, event.t);
      if (event.k === "act" && event.kind === "purge" && event.detail === "begins") {
        purges.set((JSON.parse(event.target) as { provider: string }).provider, event.t);
      }
      if (event.k !== "fx") return;
      const { e, t } = event;
      if (e.fx === "meta" && e.set.verifiedAt !== undefined) verifiedAt.set(e.p, t);
      if (e.fx === "letter" && e.set.lastMs !== undefined) failedAt.set(`${e.p} ${e.id}`, t);
      if (e.fx === "letter-gone") {
        looked();
        const letter = model.provider(e.p).letters.get(e.id);
        const purged = t - (purges.get(e.p) ?? 0) < PURGE_MS;
        taken.delete(`${e.p} ${e.id}`);
        if (e.by?.how === "cover" || e.by?.how === "settle") settled.add(`${e.p} ${e.id}`);
        const failed = failedAt.get(`${e.p} ${e.id}`) ?? Number(letter?.lastMs);
        if (e.by?.how === "cover" && letter && (verifiedAt.get(e.p) ?? 0) < failed) {
          breach(`${e.p}: dead letter ${e.id} was settled, and no run was verified since it failed`, t);
        }
        if (e.by?.script !== "dropDeadLetter" || (e.by.how === "purge" && !purged)) {
          breach(`${e.p}: dead letter ${e.id} went by ${byText(e.by)} ${e.by?.how ?? ""}`, t);
        } else if (e.by.how === "settle" && letter) {
          const { replayRun = "", replayKey = "" } = letter;
          const status = model.provider(e.p).runs.get(replayRun)?.statuses.get(replayKey);
          if (!status?.startsWith("c")) {
            breach(`${e.p}: dead letter ${e.id} was settled, and its replay ${replayKey} is '${status}'`, t);
          }
        }
      }
      if (e.fx === "unfailed") {
        looked();
        const { letters } = model.provider(e.p);
        if (e.ids === null) breach(`${e.p}: ${e.command} emptied the failed set, by ${byText(e.by)}`, t);
        for (const [id, letter] of letters) {
          if (!e.ids?.includes(letter.job ?? "")) continue;
          const purged = t - (purges.get(e.p) ?? 0) < PURGE_MS;
          // Taken to be replayed, its job has been copied; dead, it is what a person would be shown.
          if (letter.state !== "replaying" && !purged) {
            const { command } = e;
            taken.set(`${e.p} ${id}`, { p: e.p, id, command, by: byText(e.by), t });
          }
        }
      }
    },

    end() {
      for (const { p, id, command, by, t } of taken.values()) {
        breach(`${p}: ${command} by ${by} took the job of dead letter ${id} from the failed set`, t);
      }
      for (const { p, f } of facts.finals("full")) {
        // Opened by the schedule while the end was being read: still at work, as it may be.
        const late = (since: number): boolean => since > (lastEnd.get(p) ?? Number.POSITIVE_INFINITY);
        for (const [id, run] of model.provider(p).runs) {
          if (!late(run.since)) checkStatuses(p, f, id, run.statuses.keys());
        }
        for (const lost of f.rawMissing) breach(`${p}: the raw bytes of dead letter ${lost} are gone`);
        const failed = new Set(f.failed.map((job) => job.jobId));
        for (const [id, { state, job = "" }] of Object.entries(f.letters)) {
          looked();
          if (state === "dead" && job !== "" && !failed.has(job)) {
            breach(`${p}: the job of dead letter ${id} is not in the failed set`);
          }
          if (state === "replaying") breach(`${p}: dead letter ${id} is being replayed for ever`);
        }
        const { waiting, active, delayed } = f.jobs;
        const open = [...model.provider(p).runs.values()].some((run) => late(run.since));
        if (!open && waiting + active + delayed > 0)
          breach(`${p}: jobs are left at the end: ${JSON.stringify(f.jobs)}`);
      }
    },
  };
};

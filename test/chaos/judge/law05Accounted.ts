/** Law 5: every batch ever planned is committed, a dead letter, or cancelled by a person; and no dead letter is dropped. */
import { jobId } from "../../../src/queues/jobCatalog.ts";
import type { LawMaker } from "./law.ts";
import { byText } from "./model.ts";

/** Cancelled by a person, or by a configuration that nothing could run under. */
const cancels: ReadonlySet<string> = new Set(["stopped", "failed"]);

export const accounted: LawMaker = ({ model, facts }, { breach, looked }) => {
  const lastEnd = new Map<string, number>();
  return {
    event(event) {
      if (event.k === "run-end" && event.r !== null) lastEnd.set(event.r.provider, event.t);
      if (event.k !== "fx" || event.e.fx !== "unfailed") return;
      const { e, t } = event;
      looked();
      breach(
        `${e.p}: ${e.command} took ${e.ids?.join(", ") ?? "all"} from the dead letters, by ${byText(e.by)}`,
        t,
      );
    },

    end() {
      for (const { p, f } of facts.finals("full")) {
        // Opened by the schedule while the end was being read: still at work, as it may be.
        const late = (since: number): boolean => since > (lastEnd.get(p) ?? Number.POSITIVE_INFINITY);
        const failed = new Set(f.failed.map((job) => job.jobId));
        for (const [id, run] of model.provider(p).runs) {
          if (late(run.since)) continue;
          const kept = f.runs[id];
          if (!kept) {
            breach(`${p}: nothing is known of ${id} any more`);
            continue;
          }
          if (kept.fields.state !== "closed") breach(`${p}: ${id} is ${kept.fields.state} at the end`);
          for (const batch of run.statuses.keys()) {
            looked();
            const status = kept.statuses[batch];
            if (status === undefined) breach(`${p}: ${id} knows nothing of its batch ${batch}`);
            else if (status.startsWith("p")) breach(`${p}: batch ${batch} of ${id} is planned for ever`);
            else if (status.startsWith("x") && !cancels.has(kept.fields.result ?? "")) {
              breach(`${p}: batch ${batch} of ${id} was cancelled, and the run ended ${kept.fields.result}`);
            } else if (status.startsWith("d")) {
              const job = jobId({ runId: id, batch, generation: Number(status.slice(1)) });
              if (!failed.has(job))
                breach(`${p}: batch ${batch} of ${id} is dead and no dead letter (${job})`);
            }
          }
        }
        for (const lost of f.rawMissing) breach(`${p}: the raw bytes of dead letter ${lost} are gone`);
        const { waiting, active, delayed } = f.jobs;
        const open = [...model.provider(p).runs.values()].some((run) => late(run.since));
        if (!open && waiting + active + delayed > 0)
          breach(`${p}: jobs are left at the end: ${JSON.stringify(f.jobs)}`);
      }
    },
  };
};

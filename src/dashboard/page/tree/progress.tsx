/** The progress of the open run. */
import type { OverviewProvider, Run } from "../../api/schemas.ts";
import { exactTime } from "../lib/clockTime.ts";
import { count, duration, percent, plural, rate, rough } from "../lib/figures.ts";
import { Bar, OpenedBy } from "../ui/parts.tsx";
import { useNow } from "../ui/useStore.ts";

const phases: Readonly<Record<Run["phase"], string>> = {
  planning: "planning",
  loading: "loading",
  removing: "removing withdrawn records",
  verifying: "verifying",
  closed: "closing",
};

/** Progress in records. */
export function RunProgress({ provider, run }: { provider: OverviewProvider; run: Run }) {
  const { progress, machine } = provider;
  const share = progress?.share ?? null;
  const moving = machine.state === "RUNNING";
  const of =
    run.expected === null
      ? plural(run.fetched, "record")
      : `${count(run.fetched)} of ${plural(run.expected, "record")}`;
  const done = share === null ? of : `${of}, ${percent(share)}`;
  const pace = moving && progress?.perSecond != null ? `${rate(progress.perSecond, "records")}` : null;
  const left = moving && progress?.remainingMs != null ? `${rough(progress.remainingMs)} left` : null;
  const said = [done, pace, left].filter((text) => text !== null).join(", ");
  return (
    <div class="run-line">
      <Bar
        role="progressbar"
        share={share}
        label={`Progress of ${provider.provider}`}
        text={said}
        tone={moving ? "active" : "quiet"}
      />
      <span class="run-figures">
        <strong>{done}</strong>
        {pace !== null && <span>{pace}</span>}
        {left !== null && <span>{left}</span>}
      </span>
    </div>
  );
}

/** The phase of the run and its details. */
export function RunDetails({ provider: { permits, jobs }, run }: { provider: OverviewProvider; run: Run }) {
  const now = useNow();
  return (
    <p class="muted run-details">
      {run.kind === "replay" ? "replays of dead letters" : run.mode}, {phases[run.phase]}
      {run.pass > 1 && `, pass ${run.pass} (the upstream moved)`}, batch {count(run.batchesDone)} of{" "}
      {count(run.batchesPlanned)}, {plural(permits.held, "permit")}
      {permits.waiting > 0 && `, ${permits.waiting} waiting`}
      {permits.askedBack > 0 && `, ${permits.askedBack} asked back`}
      {jobs.delayed > 0 && `, ${plural(jobs.delayed, "batch", "batches")} delayed`},{" "}
      {plural(run.requests, "request")}
      {run.deadLettered > 0 && <span class="text-warn">, {count(run.deadLettered)} dead-lettered</span>}, for{" "}
      <span title={exactTime(Date.parse(run.startedAt))}>
        {duration(Math.max(0, now - Date.parse(run.startedAt)))}
      </span>
      <OpenedBy run={run} />
    </p>
  );
}

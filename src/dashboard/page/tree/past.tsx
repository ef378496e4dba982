/** Earlier runs and checkpoints of a provider, read when they are opened. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Checkpoint, Checkpoints, Run, Runs } from "../../api/schemas.ts";
import { count, duration } from "../lib/figures.ts";
import { runLookOf } from "../lib/machineStates.ts";
import { ask, query, useAnswer } from "../live/http.ts";
import { Icon } from "../ui/icon.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { Loading, Moment, OpenedBy, StateBadge } from "../ui/parts.tsx";

interface PastProps {
  provider: string;
  version: number;
  children: ComponentChildren;
}

/** The last run in one line, and earlier ones behind a button. Read again when the machine's version changes. */
export function ProviderPast({ provider, version, children }: PastProps) {
  const [open, setOpen] = useState(false);
  const id = `past-${provider}`;
  return (
    <>
      <div class="row past-head">
        {children}
        <button
          type="button"
          class="disclose"
          aria-expanded={open}
          aria-controls={open ? id : undefined}
          aria-label={`Runs and checkpoints of ${provider}`}
          onClick={() => setOpen(!open)}
        >
          <Icon sign="chevron" /> Runs and checkpoints
        </button>
      </div>
      {open && <PastTables id={id} provider={provider} version={version} />}
    </>
  );
}

function PastTables({ id, provider, version }: { id: string; provider: string; version: number }) {
  const read = async (signal: AbortSignal) => {
    const path = `api/providers/${encodeURIComponent(provider)}/checkpoints?limit=8`;
    const [{ runs }, { checkpoints }] = await Promise.all([
      ask<Runs>("GET", `api/runs${query({ provider, limit: 8 })}`, undefined, signal),
      ask<Checkpoints>("GET", path, undefined, signal),
    ]);
    return { runs, checkpoints };
  };
  const { answer: past, error } = useAnswer(read, [provider, version]);
  if (error !== null) return <ErrorText error={error} />;
  if (past === null) return <Loading lines={3} what="earlier runs" />;
  return (
    <div class="past-lists" id={id}>
      <section aria-label={`Runs of ${provider}`}>
        <h4>Runs</h4>
        {past.runs.length === 0 ? (
          <p class="muted">None yet.</p>
        ) : (
          past.runs.map((run) => <RunLine key={run.runId} run={run} />)
        )}
      </section>
      <section aria-label={`Checkpoints of ${provider}`}>
        <h4>Checkpoints</h4>
        {past.checkpoints.length === 0 ? (
          <p class="muted">None yet.</p>
        ) : (
          past.checkpoints.map((one) => (
            <CheckpointLine key={`${one.runId}/${one.batch}/${one.at}`} checkpoint={one} />
          ))
        )}
      </section>
    </div>
  );
}

const RunLine = ({ run }: { run: Run }) => (
  <p class="row past-line">
    <StateBadge state={run.state} look={runLookOf(run.state)} />
    <span>
      {run.mode}, <Moment at={run.startedAt} show="clock" />, {duration(run.durationMs)},{" "}
      {count(run.created + run.updated)} changed{run.removed > 0 && `, ${count(run.removed)} removed`}
      {run.deadLettered > 0 && `, ${count(run.deadLettered)} dead-lettered`}
      <OpenedBy run={run} />
    </span>
    <code class="muted clip" title={run.runId}>
      {run.runId}
    </code>
  </p>
);

const CheckpointLine = ({
  checkpoint: { urn, records, at, success, error, batch },
}: {
  checkpoint: Checkpoint;
}) => (
  <p class="row past-line">
    <span class={success ? "text-good" : "text-bad"}>
      {success ? "committed" : `failed, ${error ?? "no code"}`}
    </span>
    <span>
      {count(records)} records, <Moment at={at} show="clock" />
    </span>
    <code class="muted clip" title={`${urn}, batch ${batch}`}>
      {urn}
    </code>
  </p>
);

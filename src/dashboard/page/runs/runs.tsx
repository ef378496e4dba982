/** All runs that are kept, and the address of each. */
import type { Run, Runs as RunList } from "../../api/schemas.ts";
import { count, duration, plural } from "../lib/figures.ts";
import { runLookOf } from "../lib/machineStates.ts";
import { ask, query, useAnswer } from "../live/http.ts";
import { href } from "../state/address.ts";
import { refine } from "../state/navigate.ts";
import { Button } from "../ui/icon.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { Choice, Empty, Loading, Moment, OpenedBy, Panel, StateBadge } from "../ui/parts.tsx";
import { useAddress, usePage } from "../ui/useStore.ts";
import { RunView } from "./run.tsx";

export function RunsView() {
  const { id } = useAddress();
  return id === null ? <Runs /> : <RunView id={id} />;
}

/** Changes when a run opened, moved on or closed; null while Redis is away. */
export const useRunsVersion = (provider?: string): string | null =>
  usePage(({ fleet: { overview, trouble } }) =>
    overview === null || trouble !== null
      ? null
      : overview.providers
          .filter((one) => provider === undefined || one.provider === provider)
          .map(({ openRun, lastRun, lastReplay }) =>
            [openRun?.runId, openRun?.state, lastRun?.runId, lastReplay?.endedAt].join("/"),
          )
          .join(" "),
  );

const most = 200;
/** Shown before more are asked for. */
const usual = 50;
const states = ["running", "complete", "incomplete", "failed", "paused", "stopped"];

function Runs() {
  const { provider = "", state = "", all = "" } = useAddress().query;
  const providers = usePage(({ fleet }) => fleet.overview?.providers) ?? [];
  const version = useRunsVersion();
  const path = `/api/runs${query({ provider, limit: most })}`;
  const { answer, error } = useAnswer(
    version === null ? null : (signal) => ask<RunList>("GET", path, undefined, signal),
    [path, version],
  );
  const found = answer?.runs.filter((run) => state === "" || run.state === state);
  const runs = all === "" ? found?.slice(0, usual) : found;
  return (
    <Panel
      id="runs"
      title="Runs"
      busy={answer === null}
      aside={
        <>
          <Choice
            label="Source"
            value={provider}
            options={providers.map((one) => one.provider)}
            onChoose={(value) => refine({ provider: value })}
          />
          <Choice
            label="Ended"
            value={state}
            options={states}
            onChoose={(value) => refine({ state: value })}
          />
        </>
      }
    >
      {error !== null ? (
        <ErrorText error={error} />
      ) : runs === undefined ? (
        <Loading lines={6} what="the runs" />
      ) : runs.length === 0 ? (
        <Empty title="No runs">None that match are kept. A source keeps its last 100 runs.</Empty>
      ) : (
        <>
          <ul class="rows rows-runs" aria-label="Runs, the newest first">
            {runs.map((run) => (
              <RunLine key={run.runId} run={run} />
            ))}
          </ul>
          {found !== undefined && found.length > runs.length && (
            <Button onClick={() => refine({ all: "yes" }, { replace: true })}>
              Show all {count(found.length)}
            </Button>
          )}
        </>
      )}
    </Panel>
  );
}

const RunLine = ({ run }: { run: Run }) => (
  <li>
    <StateBadge state={run.state} look={runLookOf(run.state)} />
    <a class="row-name" href={href("runs", run.runId)}>
      {run.provider}
    </a>
    <span>
      <Moment at={run.startedAt} show="both" />
    </span>
    <span>
      {run.kind === "replay" ? "replay" : run.mode}, {duration(run.durationMs)}
    </span>
    <span>{changesText(run) || `${count(run.unchanged)} unchanged`}</span>
    <span class="row-note muted">
      {run.error === null ? plural(run.requests, "request") : `${run.error.code}: ${run.error.message}`}
      <OpenedBy run={run} />
    </span>
  </li>
);

/** `412 created, 97 updated`; empty where nothing changed. */
export const changesText = (run: Run): string =>
  [
    run.created > 0 && `${count(run.created)} created`,
    run.updated > 0 && `${count(run.updated)} updated`,
    run.removed > 0 && `${count(run.removed)} removed`,
    run.deadLettered > 0 && `${count(run.deadLettered)} dead-lettered`,
  ]
    .filter((text) => text !== false)
    .join(", ");

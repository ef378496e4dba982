/** All runs that are kept, and the address of each. */
import type { Run, Runs as RunList } from "../../api/schemas.ts";
import { count, duration, plural } from "../lib/figures.ts";
import { runLookOf } from "../lib/machineStates.ts";
import { query, useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { refine } from "../state/navigate.ts";
import { AnswerPanel } from "../ui/answer.tsx";
import { Button } from "../ui/icon.tsx";
import { AddressChoice, Empty, Moment, OpenedBy, Prose, SourceChoice, StateBadge } from "../ui/parts.tsx";
import { useAddress, useVersion } from "../ui/useStore.ts";
import { RunView } from "./run.tsx";

export function RunsView() {
  const { id } = useAddress();
  return id === null ? <Runs /> : <RunView id={id} />;
}

/** Changes when a run opened, moved on or closed; null while Redis is away. */
export const useRunsVersion = (provider?: string): string | null =>
  useVersion(
    ({ openRun, lastRun, lastReplay }) =>
      [openRun?.runId, openRun?.state, lastRun?.runId, lastReplay?.endedAt].join("/"),
    provider,
  );

const most = 200;
/** Shown before more are asked for. */
const usual = 50;
const states = ["running", "complete", "incomplete", "failed", "paused", "stopped"];

function Runs() {
  const { provider = "", state = "", all = "" } = useAddress().query;
  const read = useGet<RunList>(`/api/runs${query({ provider, limit: most })}`, useRunsVersion());
  return (
    <AnswerPanel
      id="runs"
      title="Runs"
      of={read}
      loading={[6, "the runs"]}
      aside={
        <>
          <SourceChoice />
          <AddressChoice name="state" label="State" options={states} />
        </>
      }
    >
      {({ runs }) => {
        const found = runs.filter((run) => state === "" || run.state === state);
        const shown = all === "" ? found.slice(0, usual) : found;
        if (found.length === 0)
          return <Empty title="No runs">None that match are kept. A source keeps its last 100 runs.</Empty>;
        return (
          <>
            <ul class="rows rows-runs" aria-label="Runs, the newest first">
              {shown.map((run) => (
                <RunLine key={run.runId} run={run} />
              ))}
            </ul>
            {found.length > shown.length && (
              <Button onClick={() => refine({ all: "yes" }, { replace: true })}>
                Show all {count(found.length)}
              </Button>
            )}
          </>
        );
      }}
    </AnswerPanel>
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
      {plural(run.requests, "request")}
      <OpenedBy run={run} />
    </span>
    {run.error !== null && (
      <span class="row-note muted">
        <code>{run.error.code}</code> <Prose text={run.error.message} />
      </span>
    )}
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

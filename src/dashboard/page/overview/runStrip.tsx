/** The last 90 runs of a source as a strip: low where all is verified, high where something was missing. */
import type { Run, Runs } from "../../api/schemas.ts";
import { exactTime, plural } from "../lib/figures.ts";
import { query, useGet } from "../live/http.ts";
import { useRunsVersion } from "../runs/runs.tsx";
import { href } from "../state/address.ts";
import { go } from "../state/navigate.ts";

const most = 90;
const height = 24;

/** Heights tell the same as colours. */
const shapes: Readonly<Record<Run["state"], { tone: string; high: number }>> = {
  complete: { tone: "good", high: 12 },
  running: { tone: "active", high: 12 },
  stopped: { tone: "quiet", high: 6 },
  paused: { tone: "bad", high: 24 },
  incomplete: { tone: "bad", high: 18 },
  failed: { tone: "bad", high: 24 },
};

export function RunStrip({ provider }: { provider: string }) {
  const { answer } = useGet<Runs>(`/api/runs${query({ provider, limit: most })}`, useRunsVersion(provider));
  const runs = (answer?.runs ?? []).filter(({ kind }) => kind === "ordinary").slice(0, most);
  if (answer !== null && runs.length === 0) return <span class="strip-none muted small">no runs yet</span>;
  const many = (wanted: Run["state"]): number => runs.filter(({ state }) => state === wanted).length;
  const said = (["complete", "incomplete", "failed", "stopped"] as const)
    .filter((state) => many(state) > 0)
    .map((state) => `${many(state)} ${state}`)
    .join(", ");
  return (
    // One target for touch and keyboard; a bar under the pointer leads to its run.
    <a
      class="strip"
      href={href("runs", null, { provider })}
      onClick={(event) => {
        const run = (event.target as Element).getAttribute("data-run");
        if (run === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(href("runs", run));
      }}
    >
      <span class="visually-hidden">
        {runs.length === 0
          ? `Runs of ${provider}`
          : `Last ${plural(runs.length, "run")} of ${provider}: ${said}`}
      </span>
      <svg viewBox={`0 0 ${most} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        {runs.map((run, i) => (
          <Bar key={run.runId} run={run} x={most - 1 - i} />
        ))}
      </svg>
    </a>
  );
}

function Bar({ run, x }: { run: Run; x: number }) {
  const { tone, high } = shapes[run.state];
  return (
    <g class={`tone-${tone}`}>
      <rect x={x + 0.1} y={height - high} width="0.8" height={high} />
      {/* The whole height is the target. */}
      <rect class="strip-target" data-run={run.runId} x={x} y="0" width="1" height={height}>
        <title>{`${run.mode} run, ${run.state}, ${exactTime(Date.parse(run.startedAt))}`}</title>
      </rect>
    </g>
  );
}

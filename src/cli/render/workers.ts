/** The fleet's workers with their last heartbeats, as a table. */
import type { WorkerView } from "../../engine/api.ts";
import { formatAge, formatBytes, formatCount, formatDuration } from "./numbers.ts";
import type { Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

const none = "–";

/** `ready`, `starting`, or that the worker no longer answers. */
function standing({ state, health, missedBeats }: WorkerView): string {
  if (health === "live") return state;
  return missedBeats > 0 ? `${health}, ${formatCount(missedBeats)} missed` : health;
}

export function workersTable(
  workers: readonly WorkerView[],
  { style, now, width }: { style: Style; now: number; width: number },
): string[] {
  if (workers.length === 0) return [];
  const figure = (show: (vitals: NonNullable<WorkerView["vitals"]>) => string) => (worker: WorkerView) =>
    worker.vitals === null ? none : show(worker.vitals);
  const paint = (text: string, { health }: WorkerView) =>
    health === "live" ? style.green(text) : health === "late" ? style.yellow(text) : style.red(text);
  const columns: Column<WorkerView>[] = [
    { title: "worker", value: ({ id }) => id },
    { title: "state", value: standing, paint },
    { title: "batches", value: figure((v) => formatCount(v.activeBatches)), align: "right" },
    { title: "response", value: figure((v) => `${v.responseMs} ms`), align: "right" },
    { title: "loop delay p99", value: figure((v) => `${v.loopDelayP99Ms} ms`), align: "right", dropFirst: 3 },
    { title: "memory", value: figure((v) => formatBytes(v.rssBytes)), align: "right" },
    { title: "last fetch", value: figure((v) => formatDuration(v.lastFetchAgeMs)), align: "right" },
    { title: "heartbeat", value: ({ lastBeatAt }) => formatAge(lastBeatAt, now) },
    { title: "started", value: ({ startedAt }) => formatAge(startedAt, now), dropFirst: 2 },
    { title: "process", value: ({ host, pid }) => `${host}:${pid}`, shrinkTo: 12, dropFirst: 1 },
  ];
  return renderTable(workers, columns, { width, header: style.dim });
}

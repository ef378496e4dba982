/** The fleet: permits, kernel, workers, Redis. */
import { parseTime } from "../../core/time.ts";
import {
  ageOf,
  counter,
  type Definition,
  each,
  gauge,
  type MetricsLook,
  type Sample,
} from "./definitions.ts";

const atMs = ({ status }: MetricsLook): number => Date.parse(status.at);

const live = ({ workers }: MetricsLook) => workers.filter(({ health }) => health !== "dead");

/** The worst value among live workers; no value without live workers. */
const worst =
  (read: (worker: MetricsLook["workers"][number], look: MetricsLook) => number | undefined) =>
  (look: MetricsLook): Sample[] => {
    const values = live(look).flatMap((worker) => read(worker, look) ?? []);
    return values.length === 0 ? [] : [[{}, Math.max(...values)]];
  };

const only = (value: number): Sample[] => [[{}, value]];

export const fleetMetrics: readonly Definition[] = [
  gauge(
    "uee_permits",
    "The permit pool: configured size less revoked permits, held, free and revoked permits, and waiting batches.",
    ["state"],
    ({ permits: { configured, effective, allocated, available, revoked, waiting } }) =>
      each("state", {
        ...(configured === null ? {} : { configured }),
        ...{ effective, allocated, available, revoked, waiting },
      }),
  ),
  counter("uee_permit_audits_total", "Audits of the permit pool.", [], ({ audits }) => only(audits.audits)),
  gauge("uee_permit_audit_drift", "Findings of the last audit of the permit pool.", [], ({ audits }) =>
    only(audits.drift),
  ),
  counter("uee_permit_audit_drift_total", "Findings of all audits; each was mended.", [], ({ audits }) =>
    only(audits.driftTotal),
  ),
  gauge("uee_permit_audit_age_seconds", "Since the permit pool was last audited.", [], (look) =>
    ageOf(parseTime(look.audits.at), atMs(look), {}),
  ),
  gauge(
    "uee_kernel_latency_p99_seconds",
    "99th percentile of the fleet's last 1,000 control operations.",
    [],
    ({ kernel }) => only(kernel.p99_latency_ms / 1_000),
  ),
  gauge(
    "uee_kernel_buffer_saturation_ratio",
    "Records fetched and not yet committed, as a share of the bound.",
    [],
    ({ kernel }) => only(kernel.buffer_saturation),
  ),
  gauge("uee_kernel_message_rate", "Finished jobs per second, over the last minute.", [], ({ kernel }) =>
    only(kernel.message_rate),
  ),
  gauge(
    "uee_kernel_error_rate",
    "Jobs per second that spent an attempt or failed permanently, over the last minute.",
    [],
    ({ kernel }) => only(kernel.error_rate),
  ),
  gauge("uee_workers", "Known workers, by health.", ["health"], ({ workers }) => {
    const count = { live: 0, late: 0, dead: 0 };
    for (const { health } of workers) count[health]++;
    return each("health", count);
  }),
  gauge(
    "uee_worker_heartbeat_max_age_seconds",
    "Age of the oldest heartbeat of a live worker.",
    [],
    worst(({ lastBeatAt }, look) => Math.max(0, (atMs(look) - Date.parse(lastBeatAt)) / 1_000)),
  ),
  gauge(
    "uee_worker_loop_delay_max_seconds",
    "Worst event-loop delay of a live worker, as of the last heartbeats.",
    [],
    worst(({ vitals }) => (vitals === null ? undefined : vitals.loopDelayMaxMs / 1_000)),
  ),
  gauge(
    "uee_worker_fetch_max_age_seconds",
    "Longest time since a queue answered a live worker, as of the last heartbeats.",
    [],
    worst(({ vitals }) => (vitals === null ? undefined : vitals.lastFetchAgeMs / 1_000)),
  ),
  gauge(
    "uee_worker_resident_memory_max_bytes",
    "Largest resident memory of a live worker.",
    [],
    worst(({ vitals }) => vitals?.rssBytes),
  ),
  gauge(
    "uee_worker_active_batches",
    "Batches that workers have in flight, including prefetched ones.",
    [],
    (look) => only(live(look).reduce((sum, { vitals }) => sum + (vitals?.activeBatches ?? 0), 0)),
  ),
  gauge(
    "uee_runs_queue_paused",
    "1 when the queue `runs` is paused: jobs of scripts and schedules wait.",
    [],
    ({ status }) => only(status.runsPaused ? 1 : 0),
  ),
  gauge("uee_stranded", "1 when jobs wait and no worker lives.", [], ({ status }) =>
    only(status.stranded ? 1 : 0),
  ),
  gauge("uee_redis_used_memory_bytes", "Memory that Redis uses.", [], ({ status }) =>
    only(status.redis.usedMemory),
  ),
  gauge("uee_redis_max_memory_bytes", "Memory limit of Redis; 0: no limit.", [], ({ status }) =>
    only(status.redis.maxMemory),
  ),
  gauge("uee_redis_trouble", "1 when Redis refuses writes.", [], ({ status }) =>
    only(status.redis.trouble === null ? 0 : 1),
  ),
];

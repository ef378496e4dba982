/** The fleet: its tree, permits, kernel, workers, schedules, breakers and history; and the events that carry their changes. */
import { z } from "zod";
import type {
  BreakerTransition as EngineBreakerTransition,
  BreakerView as EngineBreakerView,
  EtlTree as EngineEtlTree,
  HistoryLine as EngineHistoryLine,
  KernelMetrics as EngineKernelMetrics,
  QuotaEvent as EngineQuotaEvent,
  Series as EngineSeries,
  HistoryTransition,
  ScheduleView,
  WorkerView,
} from "../../../engine/api.ts";
import type { PoolSize } from "../../../permits/permitPool.ts";
import type { PoolView } from "../../../permits/report.ts";
import { providerProblemKinds } from "../../../session/problems.ts";
import {
  actionSchema,
  editionSchema,
  fields,
  isoTime,
  machineStatusSchema,
  named,
  reconciledSchema,
  runModeSchema,
  runSchema,
  shown,
} from "./common.ts";

export const etlTreeSchema = shown<EngineEtlTree>()("EtlTree", {
  macro_fsm: z.object({
    ...fields(z.string(), "id", "state"),
    created_at: isoTime.nullable().describe("First transition; null before it"),
    updated_at: isoTime.nullable().describe("Last transition; null before the first"),
  }),
  providers: z.array(
    z.object({
      ...fields(z.string(), "id", "provider_type", "state"),
      last_checkpoint: z.string().nullable().describe("URN"),
      processed_count: z.number().describe("Records processed by the open run, else by the last"),
      error_count: z.number().describe("Of these, permanently failed records"),
      permits_allocated: z.number(),
      edition: editionSchema.optional().describe("Of the last complete run, where the source has editions"),
      ...fields(isoTime.nullable(), "created_at", "updated_at"),
    }),
  ),
  total_checkpoints: z.number().describe("Number of checkpoints ever stored, all providers"),
});

const kernelFields = {
  p99_latency_ms: z.number().describe("99th percentile of the fleet's last 1,000 control operations"),
  buffer_saturation: z.number().describe("Fetched and not yet committed, as a share of the bound; 1 = full"),
  ...fields(z.number(), "active_workers", "total_permits", "allocated_permits", "available_permits"),
  message_rate: z.number().describe("Finished jobs per second, over the last minute"),
  error_rate: z.number().describe("Of these, jobs that spent an attempt or failed permanently, per second"),
};

export const kernelMetricsSchema = shown<EngineKernelMetrics>()("KernelMetrics", kernelFields);
export type KernelMetrics = z.output<typeof kernelMetricsSchema>;

export const kernelHistorySchema = named("KernelHistory", {
  intervalMs: z.number().describe("Between two samples while workers live; where there is a gap, none lived"),
  samples: z
    .array(z.object({ at: isoTime, ...kernelFields }).meta({ id: "KernelSample" }))
    .describe("The oldest first"),
});
export type KernelHistory = z.output<typeof kernelHistorySchema>;

export const seriesSchema = shown<EngineSeries>()("Series", {
  name: z.enum(["throughput", "requests", "errors", "redis_memory"]),
  range: z.enum(["1h", "6h", "24h", "7d", "8w"]),
  unit: z
    .enum(["per_second", "bytes"])
    .describe("per_second: the average over a step; bytes: the maximum within a step"),
  from: isoTime.describe("Value i covers stepMs from `from` + i × stepMs; the last step is in progress"),
  stepMs: z.number(),
  lines: z
    .array(
      z.object({
        provider: z.string().nullable().describe("Null for Redis"),
        values: z.array(z.number().nullable()).describe("Null where no worker was live"),
      }),
    )
    .describe("One per provider; all lines have the same times"),
});
export type Series = z.output<typeof seriesSchema>;

const progressSchema = named("Progress", {
  fetched: z.number(),
  expected: z.number().nullable(),
  share: z.number().nullable().describe("Completed share of the current pass, 0 to 1; null while unknown"),
  perSecond: z
    .number()
    .nullable()
    .describe("Records per second over the last seconds; null before it is known"),
  remainingMs: z
    .number()
    .nullable()
    .describe("At the current rate, a wait included; null while unknown or paused"),
});
export type Progress = z.output<typeof progressSchema>;

const overviewProviderSchema = named("OverviewProvider", {
  provider: z.string(),
  machine: machineStatusSchema,
  actions: z.array(actionSchema).describe("Actions that the state allows and that would have an effect"),
  verified: z.boolean().describe("Verified complete at least once"),
  verifiedAt: isoTime.nullable(),
  freshMs: z.number().nullable().describe("Time since the mirror was verified complete, ms; null if never"),
  watermark: z.string().nullable().describe("Upstream time up to which the mirror is verified complete"),
  edition: editionSchema
    .extend({ name: z.string().describe("For people: 4.18 of 2025-09-09") })
    .nullable()
    .describe("Of the last complete run; null where there is none"),
  records: z.number(),
  openRun: runSchema.nullable(),
  progress: progressSchema.nullable().describe("Of the open run"),
  lastRun: runSchema.nullable().describe("The last ordinary run that closed"),
  lastRunSettled: z
    .boolean()
    .describe(
      "The run was incomplete only because of dead letters, and all of them have been replayed, accepted or purged since",
    ),
  lastReplay: runSchema.nullable().describe("The last run of replayed dead letters that closed"),
  lastCheckpoint: z.string().nullable().describe("URN"),
  reconciled: reconciledSchema.nullable().describe("The last comparison with the upstream's official feeds"),
  reconcileFailed: z
    .object({ ...fields(z.string(), "code", "message"), at: isoTime })
    .nullable()
    .describe("Why the last one could compare nothing"),
  nextRun: z
    .object({ at: isoTime, mode: runModeSchema })
    .nullable()
    .describe("By schedule; a paused provider opens no run"),
  jobs: z.object({
    ...fields(z.number(), "waiting", "active", "delayed"),
    failed: z.number().describe("In the failed set"),
  }),
  deadLetters: z.object({
    entries: z.number().describe("Without accepted ones"),
    share: z.number().describe("Of the cap at which the provider pauses; 1 = full"),
    level: z.enum(["ok", "near", "full"]),
  }),
  staleAfterMs: z
    .number()
    .nullable()
    .describe(
      "Maximum age of a verified mirror before it is stale, ms; null if its schedules have no interval",
    ),
  problems: z
    .array(
      z.object({
        kind: z.enum(providerProblemKinds),
        severity: z.enum(["bad", "warn"]).describe("bad: a person must act"),
        ...fields(z.string(), "text", "remedy"),
      }),
    )
    .describe("Problems, worst first; the same as in `uee status --check`, `uee doctor` and the alerts"),
  permits: z.object({ held: z.number(), waiting: z.number(), askedBack: z.number() }),
});
export type OverviewProvider = z.output<typeof overviewProviderSchema>;

export const overviewSchema = named("Overview", {
  at: isoTime,
  macro: machineStatusSchema,
  stranded: z.boolean().describe("Jobs wait and no worker is live"),
  runsPaused: z.boolean().describe("The queue `runs` is paused: jobs of scripts and schedules wait"),
  workers: z.number().describe("Live ones"),
  deadLetters: z.number(),
  permits: z.object({
    configured: z.number().nullable(),
    ...fields(z.number(), "effective", "allocated", "available", "waiting"),
  }),
  redis: z.object({
    version: z.string(),
    usedMemory: z.number().describe("Bytes"),
    maxMemory: z.number().describe("Bytes; 0: no limit"),
    persistence: z.string(),
    trouble: z.string().nullable().describe("Why Redis refuses writes now, as far as it reports"),
  }),
  providers: z.array(overviewProviderSchema),
});
export type Overview = z.output<typeof overviewSchema>;

/** ms since the epoch by Redis' clock. */
const epochMs = z.number().describe("ms since the epoch");

export const permitsSchema = shown<PoolView>()("Permits", {
  at: epochMs,
  configured: z
    .number()
    .nullable()
    .describe("Size that an operator set; null before the pool was first used"),
  effective: z.number().describe("Configured less what is revoked"),
  ...fields(z.number(), "revoked", "allocated", "available", "askedBack", "waiting", "fence"),
  holdUntil: epochMs.nullable().describe("Grants wait until then, because Redis restarted"),
  providers: z
    .array(
      z.object({
        provider: z.string(),
        ...fields(z.number(), "held", "askedBack", "waiting", "waitingMs", "permitTimeMs"),
      }),
    )
    .readonly(),
  holders: z
    .array(
      z.object({
        ...fields(z.string(), "lease", "provider"),
        askedBack: z.boolean(),
        fence: z.number(),
        since: epochMs,
        expiresAt: epochMs,
        owner: z.string(),
      }),
    )
    .readonly()
    .describe("The oldest first"),
  truncated: z.boolean().describe("There are more holders than listed"),
});
export type Permits = z.output<typeof permitsSchema>;

export const permitSizeSchema = shown<PoolSize>()("PermitSize", {
  ...fields(z.number(), "configured", "effective", "effectiveBefore", "allocated", "askedBack"),
  changed: z.boolean(),
});
export type PermitSize = z.output<typeof permitSizeSchema>;

const actorKindSchema = z.enum(["person", "engine", "schedule", "script"]);

const transitionSchema = shown<HistoryTransition>()("Transition", {
  id: z.string().describe("Place in its machine's history"),
  machine: z.string().describe("provider or macro"),
  provider: z.string().nullable().describe("Null for the fleet's own machine"),
  ...fields(z.string(), "oldState", "newState", "trigger"),
  version: z.number(),
  at: isoTime,
  actor: z.string(),
  actorKind: actorKindSchema,
  ...fields(z.string().nullable(), "reason", "urn"),
  ...fields(z.number().nullable(), "processed", "errors", "permits"),
});
export const transitionsSchema = named("Transitions", {
  transitions: z.array(transitionSchema).describe("The newest first"),
});
export type Transition = z.output<typeof transitionSchema>;
export type Transitions = z.output<typeof transitionsSchema>;

const historyLineSchema = shown<EngineHistoryLine>()("HistoryLine", {
  at: isoTime,
  kind: z.enum(["transition", "breaker", "quota", "dead-letters"]),
  provider: z.string().nullable().describe("Null for the fleet's machine and for decisions about permits"),
  what: z.string().describe("RUNNING → PAUSED, breaker closed → open, revoke 2, dead letters: replayed 12"),
  trigger: z.string().describe("Event of a transition; of dead letters the selection"),
  actor: z.string(),
  actorKind: actorKindSchema,
  reason: z.string().nullable(),
});
export const historySchema = named("History", {
  history: z.array(historyLineSchema).describe("The newest first"),
});
export type HistoryLine = z.output<typeof historyLineSchema>;
export type History = z.output<typeof historySchema>;

const quotaEventSchema = shown<EngineQuotaEvent>()("QuotaEvent", {
  id: z.string(),
  at: isoTime,
  kind: z.enum(["revoke", "restore", "resize"]).describe("resize is a person's"),
  permits: z.number().describe("Number of permits taken or returned; for a resize the new size"),
  reason: z.string(),
  p99Ms: z.number().nullable().describe("Metrics that the optimizer saw; null for an operator's decision"),
  saturation: z.number().nullable(),
  ...fields(z.number(), "size", "effective", "allocated"),
  actor: z.string(),
});
export const quotaEventsSchema = named("QuotaEvents", {
  quotaEvents: z.array(quotaEventSchema).describe("The newest first"),
});
export type QuotaEvent = z.output<typeof quotaEventSchema>;
export type QuotaEvents = z.output<typeof quotaEventsSchema>;

const workerSchema = shown<WorkerView>()("Worker", {
  ...fields(z.string(), "id", "host"),
  pid: z.number(),
  version: z.string(),
  startedAt: isoTime,
  state: z.enum(["starting", "ready", "stopping"]),
  health: z
    .enum(["live", "late", "dead"])
    .describe("late: a heartbeat is missing; dead: three are, or its process is known to be gone"),
  missedBeats: z.number().describe("One is due every 10 s"),
  lastBeatAt: isoTime,
  ended: z
    .string()
    .nullable()
    .describe("How its process ended, as its supervisor saw it: was ended by SIGKILL"),
  vitals: z
    .object({
      responseMs: z.number().describe("A round trip through the worker's event loop"),
      ...fields(z.number(), "loopDelayP99Ms", "loopDelayMaxMs", "activeBatches"),
      rssBytes: z.number().describe("Resident memory"),
      lastFetchAgeMs: z.number().describe("Time since the queue last answered the worker"),
    })
    .nullable()
    .describe("Null until the first heartbeat with figures"),
});
export const workersSchema = named("Workers", {
  workers: z
    .array(workerSchema)
    .describe("Oldest first; including workers that died in the last ten minutes"),
});
export type Worker = z.output<typeof workerSchema>;

const scheduleSchema = shown<ScheduleView>()("Schedule", {
  provider: z.string(),
  mode: runModeSchema,
  enabled: z.boolean(),
  everyMs: z.number().nullable().describe("Interval; null for a cron expression"),
  cron: z.string().nullable().describe("UTC; null for an interval"),
  next: isoTime.nullable().describe("In the past when it is overdue"),
  last: isoTime.nullable().describe("When its last slot was taken"),
  lastOutcome: z.enum(["opened", "joined", "paused"]).nullable(),
  lastRunId: z.string().nullable(),
});
export const schedulesSchema = named("Schedules", { schedules: z.array(scheduleSchema) });

const stateSchema = z.enum(["closed", "open", "half_open"]);

const breakerSchema = shown<EngineBreakerView>()("Breaker", {
  upstream: z.string(),
  state: stateSchema,
  version: z.number().describe("Counts its transitions"),
  consecutiveFailures: z.number().describe("Consecutive failed calls of the fleet"),
  ...fields(z.number(), "failedProbes", "opens"),
  openedAt: isoTime.nullable().describe("When it left closed"),
  until: isoTime.nullable().describe("End of the present wait"),
  remainingMs: z.number(),
  probe: z
    .object({ by: z.string(), since: isoTime })
    .nullable()
    .describe("Holder of the probe token; one in the whole fleet"),
  lastFailure: z.object({ code: z.string(), message: z.string(), at: isoTime }).nullable(),
  counts: z.object({
    ...fields(z.number(), "calls", "successes", "failures", "ignored"),
    rejections: z.number().describe("Calls that were not made"),
    opens: z.number(),
  }),
});
export const breakersSchema = named("Breakers", { breakers: z.array(breakerSchema) });
export type Breaker = z.output<typeof breakerSchema>;

const breakerTransitionSchema = shown<EngineBreakerTransition>()("BreakerTransition", {
  ...fields(z.string(), "id", "upstream"),
  oldState: stateSchema,
  newState: stateSchema,
  trigger: z.enum([
    ...([
      "trip",
      "probe_begins",
      "probe_succeeded",
      "probe_failed",
      "probe_void",
      "prober_lost",
      "reset",
    ] as const),
  ]),
  version: z.number(),
  at: isoTime,
  actor: z.string(),
  actorKind: actorKindSchema,
  reason: z.string().nullable(),
  ...fields(z.number(), "failures", "failedProbes"),
  until: isoTime.nullable(),
});
export const breakerTransitionsSchema = named("BreakerTransitions", {
  transitions: z.array(breakerTransitionSchema).describe("The newest first"),
});

export const breakerResetSchema = named("BreakerReset", {
  changed: z.boolean().describe("False: it was already closed"),
  breaker: breakerSchema,
});
export type BreakerReset = z.output<typeof breakerResetSchema>;

export const webhookSchema = named("Webhook", {
  configured: z.boolean().describe("This process has UEE_WEBHOOK_URL"),
  waiting: z.number().describe("Messages that wait or are tried again"),
  failed: z.number().describe("Messages that were given up, of the last ones"),
});
export type WebhookState = z.output<typeof webhookSchema>;

export const webhookTestSchema = named("WebhookTest", { sent: z.literal(true) });

const pulseSchema = named("Pulse", {
  at: isoTime,
  redis: z.enum(["ok", "away"]),
  ...fields(z.string().nullable(), "code", "message"),
});

/**
 * The events of `/events`: name → data. `overview`, `kernel`, `permits`, `workers` and `breakers` carry the whole
 * current state and are sent when it changed; `transition` and `quota` are sent once per entry; `pulse` is sent every
 * second.
 */
const eventSchemas = {
  /** First event of a connection that could not be resumed: discard the local state, the current state follows. */
  reset: z.object({ at: isoTime }),
  pulse: pulseSchema,
  overview: overviewSchema,
  kernel: z.object({ at: isoTime, metrics: kernelMetricsSchema }),
  permits: permitsSchema,
  workers: workersSchema,
  breakers: breakersSchema,
  transition: transitionSchema,
  quota: quotaEventSchema,
  /** Last event of a connection that this server closes: reconnect. */
  bye: z.object({ at: isoTime }),
} as const;
export type EventName = keyof typeof eventSchemas;
export type EventData = { [Name in EventName]: z.output<(typeof eventSchemas)[Name]> };

export const eventStreamSchema = z
  .string()
  .meta({ id: "EventStream", description: `Server-sent events: ${Object.keys(eventSchemas).join(", ")}` });

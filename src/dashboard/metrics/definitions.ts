/** Every metric of the fleet: its name, description, labels (all bounded) and the source of its values. */
import { parseTime } from "../../core/time.ts";
import type { ProviderTotals } from "../../engine/api.ts";
import { doneRatio } from "../../engine/pace.ts";
import { breakerMachine } from "../../machines/breakerMachine.ts";
import { statesOf } from "../../machines/defineMachine.ts";
import { macroMachine } from "../../machines/macroMachine.ts";
import { providerMachine } from "../../machines/providerMachine.ts";
import type { AuditHistory } from "../../permits/auditor.ts";
import type { DeadLetterStats } from "../../recovery/deadLetters/api.ts";
import { problemsOf, providerProblemKinds } from "../../session/problems.ts";
import type { FleetLook } from "../live/fleetView.ts";

export interface MetricsLook extends FleetLook {
  readonly totals: readonly ProviderTotals[];
  readonly runsJobs: FleetLook["status"]["providers"][number]["jobs"];
  readonly audits: AuditHistory;
  /** One value per provider. */
  readonly letters: ReadonlyMap<string, DeadLetterStats>;
}

type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

/** A counter when its name ends in `_total`, else a gauge. */
export interface Definition {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Unknown values are omitted. */
  read(look: MetricsLook): Iterable<Sample>;
}

type Provider = MetricsLook["status"]["providers"][number];
type Worker = MetricsLook["workers"][number];
/** Nothing: unknown. */
type Value = number | null | undefined;
type Table<Read> = Readonly<Record<string, readonly [help: string, read: Read]>>;

const nowOf = ({ status }: MetricsLook): number => Date.parse(status.at);

const sample = (labels: Labels, value: Value): Sample[] =>
  value === null || value === undefined || Number.isNaN(value) ? [] : [[labels, value]];

/** One value of the whole fleet. */
const ofFleet = (table: Table<(look: MetricsLook) => Value>): Definition[] =>
  Object.entries(table).map(([name, [help, read]]) => ({
    ...{ name, help, labels: [] },
    read: (look) => sample({}, read(look)),
  }));

/** One value of each provider. */
const ofProviders = (table: Table<(provider: Provider, look: MetricsLook) => Value>): Definition[] =>
  Object.entries(table).map(([name, [help, read]]) => ({
    ...{ name, help, labels: ["provider"] },
    read: (look) =>
      look.status.providers.flatMap((one) => sample({ provider: one.provider }, read(one, look))),
  }));

/** Several values of each item, under the labels given. */
const ofEach =
  <Item>(items: (look: MetricsLook) => Iterable<Item>) =>
  (
    name: string,
    help: string,
    labels: readonly string[],
    read: (item: Item, look: MetricsLook) => Sample[],
  ): Definition => ({
    ...{ name, help, labels },
    read: (look) => [...items(look)].flatMap((item) => read(item, look)),
  });

const eachProvider = ofEach(({ status }) => status.providers);
const eachTotal = ofEach(({ totals }) => totals);
const eachBreaker = ofEach(({ breakers }) => breakers);
const eachLetters = ofEach(({ letters }) => letters);
const whole = ofEach((look) => [look]);

/** One sample per label value: `{ waiting: 3, active: 1 }` under `state`. */
const each = (label: string, values: Readonly<Record<string, number>>, more: Labels = {}): Sample[] =>
  Object.entries(values).map(([name, value]) => [{ ...more, [label]: name }, value]);

/** For a set of states: 1 for the current one, 0 for the others, so that the end of a state is visible. */
const oneOf = (states: readonly string[], present: string, more: Labels = {}): Sample[] =>
  states.map((state) => [{ ...more, state }, state === present ? 1 : 0]);

/** Seconds since then. */
const age = (iso: string | null | undefined, look: MetricsLook): Value => {
  const then = parseTime(iso);
  return then === undefined ? undefined : Math.max(0, (nowOf(look) - then) / 1_000);
};

const live = ({ workers }: MetricsLook): Worker[] => workers.filter(({ health }) => health !== "dead");

/** The worst value among live workers. */
const worst =
  (read: (worker: Worker, look: MetricsLook) => Value) =>
  (look: MetricsLook): Value => {
    const values = live(look).flatMap((worker) => read(worker, look) ?? []);
    return values.length === 0 ? undefined : Math.max(...values);
  };

const seconds = (ms: number | undefined): Value => (ms === undefined ? undefined : ms / 1_000);

/** Every class has a sample, so that an alert sees it rise from zero. */
const noLetters = { exhausted: 0, permanent: 0, stalled: 0, "bad-record": 0 };

/** All metrics that are read from the fleet. */
export const definitions: readonly Definition[] = [
  whole("uee_fleet_state", "1 for the present state of the fleet's machine.", ["state"], ({ status }) =>
    oneOf(statesOf(macroMachine), status.macro.state),
  ),
  eachProvider(
    "uee_provider_state",
    "1 for the present state of the provider's machine.",
    ["provider", "state"],
    ({ provider, machine }) => oneOf(statesOf(providerMachine), machine.state, { provider }),
  ),
  eachProvider(
    "uee_provider_problem",
    "1 while the provider has this problem: what `uee status --check` and `uee doctor` complain of.",
    ["provider", "problem"],
    (one, look) => {
      const found = new Set(problemsOf(one, nowOf(look)).map(({ kind }) => kind));
      const values = providerProblemKinds.map((kind) => [kind, found.has(kind) ? 1 : 0]);
      return each("problem", Object.fromEntries(values), { provider: one.provider });
    },
  ),
  ...ofProviders({
    uee_provider_state_age_seconds: [
      "Since the provider entered its present state.",
      ({ machine }, look) => age(machine.since, look),
    ],
    uee_provider_verified: [
      "1 when the provider was verified complete at least once.",
      ({ verified }) => (verified ? 1 : 0),
    ],
    uee_provider_verified_age_seconds: [
      "Since the provider was last verified complete.",
      ({ verifiedAt }, look) => age(verifiedAt, look),
    ],
    uee_provider_watermark_age_seconds: [
      "Since the provider's watermark: the upstream time up to which the mirror is verified complete.",
      ({ watermark }, look) => age(watermark, look),
    ],
    uee_provider_records: ["Live records.", ({ records }) => records],
    uee_provider_next_run_seconds: [
      "Until the next run by schedule; negative when it is overdue.",
      ({ nextRun }, look) => nextRun && (Date.parse(nextRun.at) - nowOf(look)) / 1_000,
    ],
    uee_reconciled_age_seconds: [
      "Since the last comparison with the upstream's official feeds.",
      ({ reconciled }, look) => age(reconciled?.at, look),
    ],
    uee_run_open: ["1 while a run of the provider is open.", ({ openRun }) => (openRun === null ? 0 : 1)],
    uee_run_progress_ratio: [
      "Completed share of the open run's current pass, as far as it is known.",
      ({ openRun }) => openRun && doneRatio(openRun),
    ],
    uee_run_age_seconds: ["Since the open run began.", ({ openRun }, look) => age(openRun?.startedAt, look)],
  }),
  eachProvider(
    "uee_reconciled_records",
    "Records by the result of the last comparison with the upstream's official feeds.",
    ["provider", "result"],
    ({ provider, reconciled }) => {
      if (reconciled === null) return [];
      const { checked, equal, newer, stale, missing, extra, repaired, unexplained } = reconciled;
      const counts = { checked, equal, newer, stale, missing, extra, repaired, unexplained };
      return each("result", counts, { provider });
    },
  ),
  eachProvider(
    "uee_run_records",
    "Records of the open run, by result so far.",
    ["provider", "outcome"],
    ({ provider, openRun }) => {
      if (openRun === null) return [];
      const { created, updated, unchanged, removed, deadLettered: dead } = openRun;
      return each("outcome", { created, updated, unchanged, removed, dead }, { provider });
    },
  ),
  whole(
    "uee_provider_permits",
    "Permits that the provider holds, and batches of it that wait for one.",
    ["provider", "state"],
    ({ permits }) =>
      permits.providers.flatMap(({ provider, held, waiting }) =>
        each("state", { held, waiting }, { provider }),
      ),
  ),
  eachTotal("uee_runs_total", "Runs that ended.", ["provider", "mode", "result"], ({ provider, runs }) =>
    runs.map(({ mode, result, count }): Sample => [{ provider, mode, result }, count]),
  ),
  eachTotal(
    "uee_records_total",
    "What runs did with records; counted when the run ends.",
    ["provider", "outcome"],
    ({ provider, records }) => each("outcome", records, { provider }),
  ),
  eachTotal(
    "uee_batches_total",
    "Batches that were committed, or had given up when their run ended.",
    ["provider", "outcome"],
    ({ provider, batches }) => each("outcome", batches, { provider }),
  ),
  eachTotal(
    "uee_upstream_requests_total",
    "Requests that were sent, failed ones too.",
    ["upstream"],
    ({ provider, requests }) => sample({ upstream: provider }, requests),
  ),
  eachTotal(
    "uee_provider_transitions_total",
    "Transitions of the provider's machine.",
    ["provider"],
    ({ provider, transitions }) => sample({ provider }, transitions),
  ),
  whole("uee_queue_jobs", "Jobs of a queue; failed ones are dead letters.", ["queue", "state"], (look) => [
    ...look.status.providers.flatMap(({ provider, jobs }) => each("state", { ...jobs }, { queue: provider })),
    ...each("state", { ...look.runsJobs }, { queue: "runs" }),
  ]),

  eachLetters(
    "uee_dead_letters",
    "Dead letters by class, accepted ones included.",
    ["provider", "class"],
    ([provider, { byClass }]) => each("class", { ...noLetters, ...byClass }, { provider }),
  ),
  eachLetters(
    "uee_dead_letter_states",
    "Dead letters that are open, being replayed, or accepted.",
    ["provider", "state"],
    ([provider, { byState }]) => each("state", { ...byState }, { provider }),
  ),
  eachLetters(
    "uee_dead_letter_codes",
    "Dead letters by code of the error catalog.",
    ["provider", "code"],
    ([provider, { byCode }]) => each("code", byCode, { provider }),
  ),
  eachLetters(
    "uee_dead_letter_raw_bytes",
    "Raw bytes stored for dead letters.",
    ["provider"],
    ([provider, { rawBytes }]) => sample({ provider }, rawBytes),
  ),
  eachLetters(
    "uee_dead_letter_cap_ratio",
    "Dead letters as a share of the cap at which their provider pauses.",
    ["provider"],
    ([provider, { caps }]) => sample({ provider }, caps[0]?.share),
  ),

  eachBreaker(
    "uee_breaker_state",
    "1 for the present state of the upstream's breaker.",
    ["upstream", "state"],
    ({ upstream, state }) => oneOf(statesOf(breakerMachine), state, { upstream }),
  ),
  eachBreaker(
    "uee_breaker_consecutive_failures",
    "Consecutive failed calls of the fleet.",
    ["upstream"],
    ({ upstream, consecutiveFailures }) => sample({ upstream }, consecutiveFailures),
  ),
  eachBreaker(
    "uee_breaker_calls_total",
    "Calls through the breaker by result; rejected calls were not made.",
    ["upstream", "outcome"],
    ({ upstream, counts: { successes: success, failures: failure, ignored, rejections: rejected } }) =>
      each("outcome", { success, failure, ignored, rejected }, { upstream }),
  ),
  eachBreaker(
    "uee_breaker_opens_total",
    "How often the breaker opened.",
    ["upstream"],
    ({ upstream, opens }) => sample({ upstream }, opens),
  ),

  whole(
    "uee_permits",
    "The permit pool: configured size less revoked permits, held, free and revoked permits, and waiting batches.",
    ["state"],
    ({ permits: { configured, effective, allocated, available, revoked, waiting } }) =>
      each("state", {
        ...(configured === null ? {} : { configured }),
        ...{ effective, allocated, available, revoked, waiting },
      }),
  ),
  whole("uee_workers", "Known workers, by health.", ["health"], ({ workers }) => {
    const count = { live: 0, late: 0, dead: 0 };
    for (const { health } of workers) count[health]++;
    return each("health", count);
  }),
  ...ofFleet({
    uee_permit_audits_total: ["Audits of the permit pool.", ({ audits }) => audits.audits],
    uee_permit_audit_drift: ["Findings of the last audit of the permit pool.", ({ audits }) => audits.drift],
    uee_permit_audit_drift_total: [
      "Findings of all audits; each was mended.",
      ({ audits }) => audits.driftTotal,
    ],
    uee_permit_audit_age_seconds: [
      "Since the permit pool was last audited.",
      (look) => age(look.audits.at, look),
    ],
    uee_kernel_latency_p99_seconds: [
      "99th percentile of the fleet's last 1,000 control operations.",
      ({ kernel }) => kernel.p99_latency_ms / 1_000,
    ],
    uee_kernel_buffer_saturation_ratio: [
      "Records fetched and not yet committed, as a share of the bound.",
      ({ kernel }) => kernel.buffer_saturation,
    ],
    uee_kernel_message_rate: [
      "Finished jobs per second, over the last minute.",
      ({ kernel }) => kernel.message_rate,
    ],
    uee_kernel_error_rate: [
      "Jobs per second that spent an attempt or failed permanently, over the last minute.",
      ({ kernel }) => kernel.error_rate,
    ],
    uee_worker_heartbeat_max_age_seconds: [
      "Age of the oldest heartbeat of a live worker.",
      worst(({ lastBeatAt }, look) => age(lastBeatAt, look)),
    ],
    uee_worker_loop_delay_max_seconds: [
      "Worst event-loop delay of a live worker, as of the last heartbeats.",
      worst(({ vitals }) => seconds(vitals?.loopDelayMaxMs)),
    ],
    uee_worker_fetch_max_age_seconds: [
      "Longest time since a queue answered a live worker, as of the last heartbeats.",
      worst(({ vitals }) => seconds(vitals?.lastFetchAgeMs)),
    ],
    uee_worker_resident_memory_max_bytes: [
      "Largest resident memory of a live worker.",
      worst(({ vitals }) => vitals?.rssBytes),
    ],
    uee_worker_active_batches: [
      "Batches that workers have in flight, including prefetched ones.",
      (look) => live(look).reduce((sum, { vitals }) => sum + (vitals?.activeBatches ?? 0), 0),
    ],
    uee_runs_queue_paused: [
      "1 when the queue `runs` is paused: jobs of scripts and schedules wait.",
      ({ status }) => (status.runsPaused ? 1 : 0),
    ],
    uee_stranded: ["1 when jobs wait and no worker lives.", ({ status }) => (status.stranded ? 1 : 0)],
    uee_redis_used_memory_bytes: ["Memory that Redis uses.", ({ status }) => status.redis.usedMemory],
    uee_redis_max_memory_bytes: [
      "Memory limit of Redis; 0: no limit.",
      ({ status }) => status.redis.maxMemory,
    ],
    uee_redis_trouble: [
      "1 when Redis refuses writes.",
      ({ status }) => (status.redis.trouble === null ? 0 : 1),
    ],
  }),
];

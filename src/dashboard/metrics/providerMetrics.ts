/** Providers: states, freshness, runs, records, queues. */
import { parseTime } from "../../core/time.ts";
import { doneRatio } from "../../engine/pace.ts";
import { statesOf } from "../../machines/defineMachine.ts";
import { macroMachine } from "../../machines/macroMachine.ts";
import { providerMachine } from "../../machines/providerMachine.ts";
import { problemsOf, providerProblemKinds } from "../../session/problems.ts";
import {
  ageOf,
  counter,
  type Definition,
  each,
  gauge,
  type MetricsLook,
  oneOf,
  type Sample,
} from "./definitions.ts";

type Provider = MetricsLook["status"]["providers"][number];

const now = ({ status }: MetricsLook): number => Date.parse(status.at);

const ofProviders =
  (read: (provider: Provider, labels: { provider: string }, look: MetricsLook) => Sample[]) =>
  (look: MetricsLook): Sample[] =>
    look.status.providers.flatMap((provider) => read(provider, { provider: provider.provider }, look));

const ofTotals =
  (read: (totals: MetricsLook["totals"][number]) => Sample[]) =>
  (look: MetricsLook): Sample[] =>
    look.totals.flatMap(read);

export const providerMetrics: readonly Definition[] = [
  gauge("uee_fleet_state", "1 for the present state of the fleet's machine.", ["state"], ({ status }) =>
    oneOf(statesOf(macroMachine), status.macro.state),
  ),
  gauge(
    "uee_provider_state",
    "1 for the present state of the provider's machine.",
    ["provider", "state"],
    ofProviders(({ machine }, labels) => oneOf(statesOf(providerMachine), machine.state, labels)),
  ),
  gauge(
    "uee_provider_state_age_seconds",
    "Since the provider entered its present state.",
    ["provider"],
    ofProviders(({ machine }, labels, look) => ageOf(parseTime(machine.since), now(look), labels)),
  ),
  gauge(
    "uee_provider_verified",
    "1 when the provider was verified complete at least once.",
    ["provider"],
    ofProviders(({ verified }, labels) => [[labels, verified ? 1 : 0]]),
  ),
  gauge(
    "uee_provider_verified_age_seconds",
    "Since the provider was last verified complete.",
    ["provider"],
    ofProviders(({ verifiedAt }, labels, look) => ageOf(parseTime(verifiedAt), now(look), labels)),
  ),
  gauge(
    "uee_provider_problem",
    "1 while the provider has this problem: what `uee status --check` and `uee doctor` complain of.",
    ["provider", "problem"],
    ofProviders((provider, labels, look) => {
      const found = new Set(problemsOf(provider, now(look)).map(({ kind }) => kind));
      return providerProblemKinds.map((problem) => [{ ...labels, problem }, found.has(problem) ? 1 : 0]);
    }),
  ),
  gauge(
    "uee_provider_watermark_age_seconds",
    "Since the provider's watermark: the upstream time up to which the mirror is verified complete.",
    ["provider"],
    ofProviders(({ watermark }, labels, look) => ageOf(parseTime(watermark), now(look), labels)),
  ),
  gauge(
    "uee_provider_records",
    "Live records.",
    ["provider"],
    ofProviders(({ records }, labels) => [[labels, records]]),
  ),
  gauge(
    "uee_provider_next_run_seconds",
    "Until the next run by schedule; negative when it is overdue.",
    ["provider"],
    ofProviders(({ nextRun }, labels, look) =>
      nextRun === null ? [] : [[labels, (Date.parse(nextRun.at) - now(look)) / 1_000]],
    ),
  ),
  gauge(
    "uee_provider_permits",
    "Permits that the provider holds, and batches of it that wait for one.",
    ["provider", "state"],
    ({ permits }) =>
      permits.providers.flatMap(({ provider, held, waiting }) =>
        each("state", { held, waiting }, { provider }),
      ),
  ),
  gauge(
    "uee_run_open",
    "1 while a run of the provider is open.",
    ["provider"],
    ofProviders(({ openRun }, labels) => [[labels, openRun === null ? 0 : 1]]),
  ),
  gauge(
    "uee_run_progress_ratio",
    "Completed share of the open run's current pass, as far as it is known.",
    ["provider"],
    ofProviders(({ openRun }, labels) => {
      const done = openRun === null ? undefined : doneRatio(openRun);
      return done === undefined ? [] : [[labels, done]];
    }),
  ),
  gauge(
    "uee_run_records",
    "Records of the open run, by result so far.",
    ["provider", "outcome"],
    ofProviders(({ openRun }, labels) => {
      if (openRun === null) return [];
      const { created, updated, unchanged, removed, deadLettered: dead } = openRun;
      return each("outcome", { created, updated, unchanged, removed, dead }, labels);
    }),
  ),
  gauge(
    "uee_run_age_seconds",
    "Since the open run began.",
    ["provider"],
    ofProviders(({ openRun }, labels, look) => ageOf(parseTime(openRun?.startedAt), now(look), labels)),
  ),
  counter(
    "uee_runs_total",
    "Runs that ended.",
    ["provider", "mode", "result"],
    ofTotals(({ provider, runs }) =>
      runs.map(({ mode, result, count }): Sample => [{ provider, mode, result }, count]),
    ),
  ),
  counter(
    "uee_records_total",
    "What runs did with records; counted when the run ends.",
    ["provider", "outcome"],
    ofTotals(({ provider, records }) => each("outcome", records, { provider })),
  ),
  counter(
    "uee_batches_total",
    "Batches that were committed, or had given up when their run ended.",
    ["provider", "outcome"],
    ofTotals(({ provider, batches }) => each("outcome", batches, { provider })),
  ),
  counter(
    "uee_upstream_requests_total",
    "Requests that were sent, failed ones too.",
    ["upstream"],
    ofTotals(({ provider, requests }) => [[{ upstream: provider }, requests]]),
  ),
  counter(
    "uee_provider_transitions_total",
    "Transitions of the provider's machine.",
    ["provider"],
    ofTotals(({ provider, transitions }) => [[{ provider }, transitions]]),
  ),
  gauge("uee_queue_jobs", "Jobs of a queue; failed ones are dead letters.", ["queue", "state"], (look) => [
    ...look.status.providers.flatMap(({ provider, jobs }) => each("state", { ...jobs }, { queue: provider })),
    ...each("state", { ...look.runsJobs }, { queue: "runs" }),
  ]),
];

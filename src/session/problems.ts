/**
 * What is wrong with a provider or with the fleet, and how much it matters. This is the one place that says so: `status
 * --check`, `doctor`, the API, the page, the metrics and the alerts all ask here, so that none is green where another fails.
 */
import { formatAge, formatRough } from "../core/time.ts";
import type { EngineStatus, ProviderStatus } from "../engine/api.ts";
import { situationWithReason } from "./situation.ts";

export const providerProblemKinds = [
  "paused",
  "failed",
  "incomplete",
  "dead_letters",
  "stale",
  "overdue",
  "unverified",
] as const;
export type ProviderProblemKind = (typeof providerProblemKinds)[number];
export type FleetProblemKind = "redis_trouble" | "stranded" | "runs_paused";

export interface Problem<Kind extends string = ProviderProblemKind> {
  kind: Kind;
  /** bad: a person must act. warn: it usually passes by itself, as a provider that was never loaded yet. */
  severity: "bad" | "warn";
  /** A sentence without its full stop. */
  text: string;
  /** What to do about it. */
  remedy: string;
}

/** A slot that no worker took for so long will not be taken by itself. */
const OVERDUE_MS = 10 * 60_000;

/**
 * The worst first; none where all is well.
 *
 * @param now ms, of the status
 * @param maxAgeMs stale when last verified longer ago than this; by default what its schedules allow
 */
export function problemsOf(provider: ProviderStatus, now: number, maxAgeMs?: number): Problem[] {
  const found = [
    pauseProblem(provider, now),
    lastRunProblem(provider),
    letterProblem(provider),
    staleProblem(provider, now, maxAgeMs ?? provider.staleAfterMs ?? Number.POSITIVE_INFINITY),
    overdueProblem(provider, now),
    unverifiedProblem(provider),
  ];
  return found.filter((problem) => problem !== undefined);
}

export function fleetProblems({ redis, stranded, runsPaused }: EngineStatus): Problem<FleetProblemKind>[] {
  const found: Problem<FleetProblemKind>[] = [];
  if (redis.trouble !== null) {
    found.push({
      kind: "redis_trouble",
      severity: "bad",
      text: `Redis refuses writes: ${redis.trouble}`,
      remedy: "See its memory, disk and replication; work goes on by itself when Redis is well.",
    });
  }
  if (stranded) {
    found.push({
      kind: "stranded",
      severity: "bad",
      text: "jobs wait that no live worker takes",
      remedy: "Start one: uee worker, or uee run … --wait.",
    });
  }
  if (runsPaused) {
    found.push({
      kind: "runs_paused",
      severity: "bad",
      text: "the queue `runs` is paused: jobs of scripts and schedules wait",
      remedy:
        "Workers resume it at their start and every 15 s: start one (uee worker). To hold a provider: uee pause.",
    });
  }
  return found;
}

function pauseProblem({ provider, machine }: ProviderStatus, now: number): Problem | undefined {
  if (machine.state !== "PAUSED") return undefined;
  return {
    kind: "paused",
    severity: "bad",
    text: `${provider} was ${situationWithReason(machine, now)}`,
    remedy: `\`uee resume ${provider}\` goes on from the checkpoint.`,
  };
}

/** A run that a person stopped, or that a pause held until a person resumed, is a decision and no fault. */
function lastRunProblem({ provider, lastRun, lastRunSettled }: ProviderStatus): Problem | undefined {
  if (lastRun === null || lastRunSettled) return undefined;
  const { state, error } = lastRun;
  if (state !== "failed" && state !== "incomplete") return undefined;
  const why = error === null ? "" : `: ${error.code}: ${error.message.replace(/\.$/, "")}`;
  return {
    kind: state,
    severity: "bad",
    text: `the last run of ${provider} ${state === "failed" ? "failed" : "ended incomplete"}${why}`,
    remedy: error?.remedy ?? `Run it again: uee run ${provider} --wait`,
  };
}

function letterProblem({ provider, deadLetters }: ProviderStatus): Problem | undefined {
  const { entries, level, share } = deadLetters;
  if (entries === 0) return undefined;
  const near = level === "ok" ? "" : `, ${Math.floor(share * 100)} % of their cap`;
  return {
    kind: "dead_letters",
    severity: "bad",
    text: `${provider} has ${entries.toLocaleString("en-US")} dead letter${entries === 1 ? "" : "s"}${near}`,
    remedy: `See \`uee dlq list --provider ${provider}\`: replay, accept or purge them.`,
  };
}

function staleProblem(
  { provider, verified, verifiedAt }: ProviderStatus,
  now: number,
  mostMs: number,
): Problem | undefined {
  if (!verified || verifiedAt === null || now - Date.parse(verifiedAt) <= mostMs) return undefined;
  return {
    kind: "stale",
    severity: "bad",
    text: `${provider} was last verified ${formatAge(verifiedAt, now)}, more than ${formatRough(mostMs)}`,
    remedy: `\`uee status ${provider}\` shows what holds it up and how its last run ended.`,
  };
}

function overdueProblem({ provider, nextRun, machine }: ProviderStatus, now: number): Problem | undefined {
  // The schedules of a paused provider do nothing, by design.
  if (nextRun === null || machine.state === "PAUSED") return undefined;
  const late = now - Date.parse(nextRun.at);
  if (late <= OVERDUE_MS) return undefined;
  return {
    kind: "overdue",
    severity: "bad",
    text: `the scheduled ${nextRun.mode} run of ${provider} is overdue by ${formatRough(late)}`,
    remedy: "Workers open scheduled runs: start one (uee worker), or read its log.",
  };
}

function unverifiedProblem({ provider, verified }: ProviderStatus): Problem | undefined {
  if (verified) return undefined;
  return {
    kind: "unverified",
    severity: "warn",
    text: `${provider} was never verified complete`,
    remedy: `Load it: uee run ${provider} --wait`,
  };
}

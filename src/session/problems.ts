/**
 * What is wrong with a provider or with the fleet, and how much it matters. This is the one place that says so: `status
 * --check`, `doctor`, the API, the page, the metrics and the alerts all ask here, so that none is green where another fails.
 */
import { formatAge, formatRough, plural } from "../core/figures.ts";
import type { EngineStatus, ProviderStatus } from "../engine/api.ts";
import { situationWithReason } from "./situation.ts";

export const providerProblemKinds = [
  "paused",
  "failed",
  "incomplete",
  "dead_letters",
  "unreconciled",
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
  const {
    provider: name,
    machine,
    lastRun,
    lastRunSettled,
    deadLetters,
    nextRun,
    verified,
    verifiedAt,
  } = provider;
  const found: Problem[] = [];
  const bad = (kind: ProviderProblemKind, text: string, remedy: string) =>
    found.push({ kind, severity: "bad", text, remedy });
  if (machine.state === "PAUSED") {
    const how = situationWithReason(machine, now);
    bad("paused", `${name} was ${how}`, `\`uee resume ${name}\` goes on from the checkpoint.`);
  }
  // A run that a person stopped, or that a pause held until a person resumed, is a decision and no fault.
  if ((lastRun?.state === "failed" || lastRun?.state === "incomplete") && !lastRunSettled) {
    const { state, error } = lastRun;
    const why = error === null ? "" : `: ${error.code}: ${error.message.replace(/\.$/, "")}`;
    const how = state === "failed" ? "failed" : "ended incomplete";
    bad(
      state,
      `the last run of ${name} ${how}${why}`,
      error?.remedy ?? `Run it again: uee run ${name} --wait`,
    );
  }
  if (deadLetters.entries > 0) {
    const { entries, level, share } = deadLetters;
    const near = level === "ok" ? "" : `, ${Math.floor(share * 100)} % of their cap`;
    const remedy = `See \`uee dlq list --provider ${name}\`: replay, accept or purge them.`;
    bad("dead_letters", `${name} has ${plural(entries, "dead letter")}${near}`, remedy);
  }
  const { reconciled, reconcileFailed } = provider;
  // What a reconciliation that only looked has left is a decision and no fault.
  if (reconciled?.repair) {
    const { unexplained, stale, missing, extra, repaired } = reconciled;
    const left = unexplained + stale + missing + extra - repaired;
    const text = `${plural(left, "record")} of ${name} differ from its upstream's feeds and were not repaired`;
    const remedy = `Let the upstream decide: uee run ${name} --full --wait; then uee reconcile ${name}.`;
    if (left > 0) bad("unreconciled", text, remedy);
  }
  if (reconcileFailed !== null && found.every(({ kind }) => kind !== "unreconciled")) {
    const why = `${reconcileFailed.code}: ${reconcileFailed.message.replace(/\.$/, "")}`;
    const text = `${name} could not be compared with its upstream's feeds: ${why}`;
    const remedy = `The next comparison by schedule may pass; now: uee reconcile ${name}.`;
    found.push({ kind: "unreconciled", severity: "warn", text, remedy });
  }
  const mostMs = maxAgeMs ?? provider.staleAfterMs ?? Number.POSITIVE_INFINITY;
  if (verified && verifiedAt !== null && now - Date.parse(verifiedAt) > mostMs) {
    const text = `${name} was last verified ${formatAge(verifiedAt, now)}, more than ${formatRough(mostMs)}`;
    bad("stale", text, `\`uee status ${name}\` shows what holds it up and how its last run ended.`);
  }
  // The schedules of a paused provider do nothing, by design.
  const lateMs = nextRun === null || machine.state === "PAUSED" ? 0 : now - Date.parse(nextRun.at);
  if (lateMs > OVERDUE_MS) {
    const text = `the scheduled ${nextRun?.mode} run of ${name} is overdue by ${formatRough(lateMs)}`;
    bad("overdue", text, "Workers open scheduled runs: start one (uee worker), or read its log.");
  }
  if (!verified) {
    const text = `${name} was never verified complete`;
    found.push({ kind: "unverified", severity: "warn", text, remedy: `Load it: uee run ${name} --wait` });
  }
  return found;
}

export function fleetProblems({ redis, stranded, runsPaused }: EngineStatus): Problem<FleetProblemKind>[] {
  const found: Problem<FleetProblemKind>[] = [];
  const bad = (kind: FleetProblemKind, text: string, remedy: string) =>
    found.push({ kind, severity: "bad", text, remedy });
  if (redis.trouble !== null) {
    const remedy = "See its memory, disk and replication; work goes on by itself when Redis is well.";
    bad("redis_trouble", `Redis refuses writes: ${redis.trouble}`, remedy);
  }
  if (stranded) {
    bad("stranded", "jobs wait that no live worker takes", "Start one: uee worker, or uee run … --wait.");
  }
  if (runsPaused) {
    bad(
      "runs_paused",
      "the queue `runs` is paused: jobs of scripts and schedules wait",
      "Workers resume it at their start and every 15 s: start one (uee worker). To hold a provider: uee pause.",
    );
  }
  return found;
}

/**
 * Reasons why a healthy Redis may hold no current mirror: no worker is live, a provider is paused, schedules do not
 * run.
 */
import type { EngineStatus } from "../../engine/api.ts";
import {
  type FleetProblemKind,
  fleetProblems,
  type ProviderProblemKind,
  problemsOf,
} from "../../session/problems.ts";
import { formatRough, plural } from "../render/numbers.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** BullMQ's timers, schedules and ages use the clocks of the processes. */
const SKEW_MS = 1_000;

/** @param here ms by this machine's clock when `there`, ms by Redis' clock, was read */
export function checkClock(here: number, there: number): Finding {
  const skew = here - there;
  const size = Math.abs(skew);
  if (size <= SKEW_MS) return ok("clock", `agrees with Redis' within ${Math.max(1, Math.round(size))} ms`);
  const direction = skew > 0 ? "ahead of" : "behind";
  return problem(
    "clock",
    `this machine's clock is ${formatRough(size)} ${direction} Redis'`,
    "Synchronise both by NTP: schedules and delays use the clocks of the workers.",
  );
}

export function* checkFleet(status: EngineStatus): Generator<Finding> {
  const now = Date.parse(status.at);
  yield checkWorkers(status);
  for (const { kind, text, remedy } of fleetProblems(status)) yield problem(checkOf[kind], text, remedy);
  for (const provider of status.providers) {
    for (const { kind, severity, text, remedy } of problemsOf(provider, now)) {
      const find = severity === "bad" ? problem : note;
      yield find(`${checkOf[kind]} ${provider.provider}`, text, remedy);
    }
  }
}

/** The first column of doctor's lines. */
const checkOf: Record<ProviderProblemKind | FleetProblemKind, string> = {
  ...{ paused: "state", failed: "run", incomplete: "run", dead_letters: "letters" },
  ...{ stale: "age", overdue: "schedule", unverified: "state" },
  ...{ redis_trouble: "redis writes", stranded: "jobs", runs_paused: "queue runs" },
};

function checkWorkers({ workers, stranded }: EngineStatus): Finding {
  const live = workers.filter(({ health }) => health !== "dead");
  if (live.length === 0)
    return ok("workers", stranded ? "none lives" : "no worker is live, and no job waits");
  const versions = [...new Set(live.map(({ version }) => version))].sort();
  const alive = `${plural(live.length, "worker")} alive`;
  return versions.length > 1
    ? note(
        "workers",
        `${alive}, of versions ${versions.join(" and ")}`,
        "If no upgrade is in progress, finish it.",
      )
    : ok("workers", alive);
}

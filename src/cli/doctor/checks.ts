/** What doctor finds out without a request: the clock, the fleet, and whether a full load fits into Redis. */
import type { EngineStatus } from "../../engine/api.ts";
import {
  type FleetProblemKind,
  fleetProblems,
  type ProviderProblemKind,
  problemsOf,
} from "../../session/problems.ts";
import { formatBytes, formatCount, formatRough, plural } from "../render/text.ts";

/** The result of one check. A problem makes doctor exit with 1; a note does not. */
export interface Finding {
  check: string;
  verdict: "ok" | "note" | "problem";
  /** The observation. */
  message: string;
  /** The remedy; empty when none is needed. */
  remedy: string;
}

const finding =
  (verdict: Finding["verdict"]) =>
  (check: string, message: string, remedy = ""): Finding => ({ check, verdict, message, remedy });

export const ok = finding("ok");
export const note = finding("note");
export const problem = finding("problem");

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
  ...{ paused: "state", failed: "run", incomplete: "run", dead_letters: "letters", unreconciled: "feeds" },
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

export interface ExpectedLoad {
  provider: string;
  /** Records of a complete mirror. */
  records: number;
  /** Redis memory per record, including run keys, bytes. */
  bytesPerRecord: number;
}

export interface MemoryFacts {
  usedMemory: number;
  /** 0: no limit. */
  maxMemory: number;
  /** Memory of the machine that runs Redis, bytes; 0 when unknown. */
  systemMemory: number;
  /** Free memory on that machine, bytes; undefined when Redis runs elsewhere. */
  freeMemory?: number;
}

/** A run in progress keeps slices, jobs and received ids beside the records; Redis itself fragments memory. */
const headroom = 1.15;

/** Predicts from measured bytes per record whether a full load fits into this Redis, before it starts. */
export function predictFit(
  load: readonly ExpectedLoad[],
  present: ReadonlyMap<string, number>,
  memory: MemoryFacts,
  holds = "a complete mirror",
): Finding {
  const missing = load.reduce(
    (bytes, one) => bytes + Math.max(0, one.records - (present.get(one.provider) ?? 0)) * one.bytesPerRecord,
    0,
  );
  const need = Math.round(memory.usedMemory + missing * headroom);
  const records = load.reduce((sum, one) => sum + one.records, 0);
  const what = `${holds} (${formatCount(records)} records) needs about ${formatBytes(need)}`;
  const limits = [
    ...(memory.maxMemory > 0 ? [{ name: "maxmemory", bytes: memory.maxMemory }] : []),
    ...(memory.systemMemory > 0 ? [{ name: "the machine's memory", bytes: memory.systemMemory }] : []),
    ...(memory.freeMemory === undefined
      ? []
      : [{ name: "free memory", bytes: memory.usedMemory + memory.freeMemory }]),
  ];
  const least = limits.sort((a, b) => a.bytes - b.bytes)[0];
  if (!least) return note("memory", `${what}; Redis does not say how much it has`);
  if (need > least.bytes) {
    const remedy =
      least.name === "maxmemory"
        ? `Raise it: CONFIG SET maxmemory ${Math.ceil(need / 1_048_576)}mb, if the machine has that much.`
        : "Use a machine with more memory, or mirror fewer providers.";
    return problem("memory", `${what}, ${least.name} allows ${formatBytes(least.bytes)}`, remedy);
  }
  return ok("memory", `${what} of ${formatBytes(least.bytes)} (${least.name})`);
}

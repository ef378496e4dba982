/** What keeps a healthy Redis from being a current mirror: nobody works, somebody paused, the schedules do not run. */
import type { EngineStatus, ProviderStatus, ScheduleView } from "../../engine/api.ts";
import { situationWithReason } from "../../session/situation.ts";
import { formatAge, formatRough, plural } from "../render/numbers.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** BullMQ's timers, schedules and ages go by the processes' clocks. */
const SKEW_MS = 1_000;
/** A slot that nobody took for so long will not be taken by itself. */
const OVERDUE_MS = 10 * 60_000;
/** An interval that was missed so often, and a bit, is no accident. */
const MISSED_INTERVALS = 2;
const GRACE_MS = 3_600_000;

/** @param here ms by this machine's clock when `there`, ms by Redis' clock, was read */
export function checkClock(here: number, there: number): Finding {
  const skew = here - there;
  const size = Math.abs(skew);
  if (size <= SKEW_MS) return ok("clock", `agrees with Redis' within ${Math.max(1, Math.round(size))} ms`);
  const direction = skew > 0 ? "ahead of" : "behind";
  return problem(
    "clock",
    `this machine's clock is ${formatRough(size)} ${direction} Redis'`,
    "Set both by NTP: schedules and delays go by the clock of whoever works.",
  );
}

export function* checkFleet(status: EngineStatus, schedules: readonly ScheduleView[]): Generator<Finding> {
  const now = Date.parse(status.at);
  yield checkWorkers(status);
  for (const provider of status.providers) {
    const own = schedules.filter((view) => view.provider === provider.provider && view.enabled);
    const found = checkProvider(provider, own, now);
    if (found) yield found;
    if (provider.jobs.failed > 0) {
      const letters = plural(provider.jobs.failed, "dead letter");
      yield problem("dead letters", `${provider.provider} has ${letters}`, "See `uee dlq list`.");
    }
  }
}

function checkWorkers({ workers, stranded }: EngineStatus): Finding {
  const start = "Start one: uee worker, or uee run … --wait.";
  if (stranded) return problem("workers", "jobs wait that no live worker takes", start);
  const live = workers.filter(({ health }) => health !== "dead");
  if (live.length === 0) return ok("workers", "none lives, and nothing waits");
  const versions = [...new Set(live.map(({ version }) => version))].sort();
  const alive = `${plural(live.length, "worker")} alive`;
  return versions.length > 1
    ? note(
        "workers",
        `${alive}, of versions ${versions.join(" and ")}`,
        "An upgrade under way? Else finish it.",
      )
    : ok("workers", alive);
}

function checkProvider(
  provider: ProviderStatus,
  schedules: readonly ScheduleView[],
  now: number,
): Finding | undefined {
  const { provider: name, machine, verified, verifiedAt } = provider;
  if (machine.state === "PAUSED") {
    const why = situationWithReason(machine, now);
    return problem(
      `state ${name}`,
      `${name} was ${why}`,
      `\`uee resume ${name}\` goes on from the checkpoint.`,
    );
  }
  const overdue = schedules.find(({ next }) => next !== null && now - Date.parse(next) > OVERDUE_MS);
  if (overdue) {
    return problem(
      `schedule ${name}`,
      `its ${overdue.mode} run is overdue by ${formatRough(now - Date.parse(overdue.next!))}`,
      "Workers take the slots: start one (uee worker), or look at its log.",
    );
  }
  if (!verified || verifiedAt === null) {
    return note(`state ${name}`, `${name} was never verified complete`, `Load it: uee run ${name} --wait`);
  }
  const shortest = Math.min(...schedules.map(({ everyMs }) => everyMs ?? Number.POSITIVE_INFINITY));
  const age = now - Date.parse(verifiedAt);
  if (age <= shortest * MISSED_INTERVALS + GRACE_MS) return undefined;
  return problem(
    `state ${name}`,
    `${name} was last verified ${formatAge(verifiedAt, now)}; it should be every ${formatRough(shortest)}`,
    "`uee status` shows how its last run ended.",
  );
}

/** The story of one run, out of what its provider keeps: checkpoints, transitions and breakers while it was open. */
import { UeeError } from "../../core/errors.ts";
import type { Engine, HistoryTransition } from "../../engine/api.ts";
import type { RunStep, RunStory } from "../api/schemas.ts";

/** Entries of each kind that are looked through, and steps of one answer. */
const MOST = 1_000;
/** The last transition follows the closing of the run. */
const AFTERWARDS_MS = 5_000;

const routineTriggers = new Set(["back_off", "wait_over", "permits_granted", "permits_denied"]);
/** Waits that a person may want to know of: an open breaker, Redis in trouble, a migration. */
const notable = /^(PROV_CIRCUIT_OPEN|SYS_REDIS_|STOR_)/;

/** Whether a transition belongs to the usual change between work and waits. */
const isRoutine = ({ trigger, reason }: Pick<HistoryTransition, "trigger" | "reason">): boolean =>
  routineTriggers.has(trigger) && !notable.test(reason ?? "");

/** @throws UeeError PROV_RUN_NOT_FOUND */
export async function runStory(engine: Engine, id: string): Promise<RunStory> {
  const provider = engine.providers
    .filter((name) => id.startsWith(`${name}-`))
    .sort((a, b) => b.length - a.length)[0];
  if (provider === undefined) throw new UeeError("PROV_RUN_NOT_FOUND", `There is no run ${id}.`);
  const [run, runs, checkpoints, transitions, breakers] = await Promise.all([
    engine.runProgress(provider, id),
    engine.runs({ provider, limit: 200 }),
    engine.checkpoints(provider, { limit: MOST }),
    engine.transitions({ provider, limit: MOST }),
    engine.breakerTransitions({ upstream: provider, limit: MOST }),
  ]);
  const from = Date.parse(run.startedAt);
  const to = run.endedAt === null ? Number.POSITIVE_INFINITY : Date.parse(run.endedAt) + AFTERWARDS_MS;
  const during = <Entry extends { at: string }>(entries: readonly Entry[]): Entry[] =>
    entries.filter(({ at }) => Date.parse(at) >= from && Date.parse(at) <= to);
  const nothing = { success: true, records: null, code: null, actor: null, reason: null, routine: false };
  const steps: RunStep[] = [
    ...checkpoints
      .filter(({ runId }) => runId === id)
      .map(
        ({ at, batch, records, success, error }): RunStep => ({
          ...nothing,
          ...{ at, kind: "batch", text: batch, success, records, code: error },
        }),
      ),
    ...during(transitions).map(
      ({ at, newState, actor, reason, trigger }): RunStep => ({
        ...nothing,
        ...{ at, kind: "transition", text: newState, actor, reason, routine: isRoutine({ trigger, reason }) },
      }),
    ),
    ...during(breakers).map(
      ({ at, newState, actor, reason }): RunStep => ({
        ...nothing,
        ...{ at, kind: "breaker", text: newState, actor, reason },
      }),
    ),
  ].sort((a, b) => Number(a.at < b.at) - Number(a.at > b.at));
  const oldest = transitions.at(-1);
  return {
    run,
    previous: runs.find((one) => one.kind === run.kind && one.startedAt < run.startedAt) ?? null,
    steps: steps.slice(0, MOST),
    truncated:
      steps.length > MOST ||
      (transitions.length === MOST && oldest !== undefined && Date.parse(oldest.at) > from),
  };
}

/**
 * Replays of dead letters, as far as they touch queue and runs. The protocol, of each letter: take it and plan its batch
 * again (one script); add the job, from the plan; remove the old failed job. A crash after the first step leaves a planned
 * batch without a job, which the reconciler mends, and an old job, which the sweeper removes.
 */

import { processActor } from "../../runs/processIdentity.ts";
import type { BatchEntry } from "../../runs/runRecord.ts";
import { cleanUp } from "../closedRuns.ts";
import type { DeadLetterParts } from "./parts.ts";
import type { Asker, Take, Taken } from "./replayRuns.ts";

/** Jobs added at once. */
const AT_ONCE = 100;

/** Dead letters, all at once; a page of them at most. Says of each whether it was taken, in the order given. */
export async function replayDeadLetters(
  parts: DeadLetterParts,
  ids: readonly string[],
  by: Asker,
): Promise<Take[]> {
  const now = await parts.runs.now();
  // The first one alone: it may create the replay run that the others then find.
  const takes: Take[] = [];
  if (ids[0] !== undefined) takes.push(await parts.replayRuns.take(ids[0], by, now));
  takes.push(...(await Promise.all(ids.slice(1).map((id) => parts.replayRuns.take(id, by, now)))));
  const taken = takes.filter((take): take is Taken => take.kind === "taken");
  await addJobs(
    parts,
    taken.filter(({ runState }) => runState === "open"),
  );
  // The process that opens the waiting run adds all jobs that are planned in it by then, these included.
  if (taken.some(({ runState }) => runState === "waiting")) await openReplays(parts);
  await Promise.all(
    taken.map(async ({ letter }) => {
      if (letter.jobId === "") return;
      await parts.queue.remove(letter.jobId);
      await parts.deadLetters.forgetJob(letter.id, letter.jobId);
    }),
  );
  return takes;
}

async function addJobs(parts: DeadLetterParts, taken: readonly Taken[]): Promise<void> {
  const groups = new Map<string, Taken[]>();
  for (const one of taken) {
    const name = `${one.runId} ${one.generation}`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  for (const group of groups.values()) {
    const { runId, generation } = group[0]!;
    const entries = await parts.batches.entries(
      runId,
      group.map(({ key }) => key),
    );
    await parts.queue.addBatches(runId, entries, generation);
  }
}

/** What keeps the replay run from opening, in words; or that it is open. Null: there is none. */
export interface ReplaysNow {
  runId: string;
  open: boolean;
  waitingFor: string | null;
}

/** Opens the replay run that waits, when nothing stands in its way, and adds its jobs. Safe at any time, from any pod. */
export async function openReplays(parts: DeadLetterParts): Promise<ReplaysNow | null> {
  const { runs, replayRuns, governor } = parts;
  for (;;) {
    const runId = await runs.replayRunId();
    if (runId === null) return null;
    const paused = await governor.isPaused();
    const state = (await runs.read(runId))?.state;
    if (state === "waiting" && paused) return { runId, open: false, waitingFor: "the provider is paused" };
    const outcome = await replayRuns.open(runId, await runs.now());
    if (outcome === "open") return { runId, open: true, waitingFor: null };
    if (outcome === "over") {
      if (state === undefined || state === "waiting") continue;
      return null;
    }
    if (outcome === "another run is open") {
      return { runId, open: false, waitingFor: `the run ${await runs.openRunId()} is open` };
    }
    if (outcome === "unclean") {
      for (const unclean of await runs.uncleanRunIds()) await cleanUp(parts, unclean);
      continue;
    }
    await governor.runOpened(processActor(), "dead letters are replayed");
    await addPlanned(parts, runId);
    return { runId, open: true, waitingFor: null };
  }
}

/** The jobs of all that was planned while the run waited. */
async function addPlanned(parts: DeadLetterParts, runId: string): Promise<void> {
  const planned = [...(await parts.batches.statuses(runId))].filter(([, { code }]) => code === "p");
  for (let i = 0; i < planned.length; i += AT_ONCE) {
    const keys = planned.slice(i, i + AT_ONCE).map(([key]) => key);
    const entries: BatchEntry[] = await parts.batches.entries(runId, keys);
    await parts.queue.addBatches(runId, entries);
  }
}

/** What people ask of a governed fleet: pause, resume, stop, resize. */
import type { Actor, PersonRequest } from "../core/actor.ts";
import { UeeError } from "../core/errors.ts";
import type { ProviderMachineStore } from "../machines/machineStore.ts";
import type { MachineSnapshot } from "../machines/request.ts";
import { publishResize } from "../permits/optimizer/quotaEvents.ts";
import type { PoolSize } from "../permits/permitPool.ts";
import { cleanUp } from "../recovery/closedRuns.ts";
import { openReplays } from "../recovery/deadLetters/replays.ts";
import { sweepReplays } from "../recovery/deadLetters/sweeper.ts";
import { isRedisTrouble } from "../redis/errors.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { MachineStatus } from "./api.ts";
import type { EngineParts } from "./parts.ts";

export const machineStatus = (snapshot: MachineSnapshot<string, string>): MachineStatus => ({
  state: snapshot.state,
  since: snapshot.since,
  reason: snapshot.reason,
  actor: snapshot.actor,
  until: snapshot.until,
  remainingMs: snapshot.remainingMs,
  version: snapshot.version,
});

const person = (by: PersonRequest): Actor => ({ kind: "person", name: by.actor ?? "library" });

export async function pause(
  context: ProviderContext,
  machine: ProviderMachineStore,
  by: PersonRequest,
): Promise<MachineStatus> {
  // The machine first: from here on nothing starts, even when the next steps fail.
  const { snapshot } = await machine.request("pause", { actor: person(by), reason: by.reason });
  await context.queue.pause().catch((error: unknown) => {
    // A Redis that takes the one and not the other: no batch is admitted, and the queue is paused when it is well.
    if (!isRedisTrouble(error)) throw error;
  });
  return machineStatus(snapshot);
}

export async function resume(
  context: ProviderContext,
  machine: ProviderMachineStore,
  by: PersonRequest,
): Promise<MachineStatus> {
  const before = await machine.read();
  const runId = await context.runs.openRunId();
  // Before the machine moves: batches that start at once are counted from here already.
  if (before.state === "PAUSED" && runId !== null) {
    // Dead letters at their cap say nothing of what was walked.
    const errors = before.trigger === "pause_on_error" && !before.reason?.startsWith("PROV_DLQ_FULL");
    await context.runs.resumed(runId, errors);
  }
  const { snapshot } = await machine.request(runId === null ? ["resume", "finish"] : "resume", {
    actor: person(by),
    reason: by.reason,
  });
  await context.queue.resume();
  await openReplays(context);
  return machineStatus(snapshot);
}

export async function stop(
  context: ProviderContext,
  machine: ProviderMachineStore,
  by: PersonRequest,
): Promise<MachineStatus> {
  const { snapshot } = await machine.request("stop", { actor: person(by), reason: by.reason });
  // Where none is open, the replay run that would open next is what there is to stop.
  const runId = (await context.runs.openRunId()) ?? (await context.runs.replayRunId());
  if (runId !== null) {
    const why = by.reason ? `: ${by.reason}` : "";
    const { code, detail } = new UeeError("PROV_STOPPED", `stopped by ${person(by).name}${why}`);
    await context.runs.stop(runId, { code, message: detail }).catch((thrown: unknown) => {
      // It closed by itself in this moment.
      if (!(thrown instanceof UeeError) || thrown.code !== "STOR_RUN_CLOSED") throw thrown;
    });
    await sweepReplays(context, runId);
    await cleanUp(context, runId);
  }
  await context.queue.resume();
  return machineStatus(snapshot);
}

/** A person resizes the pool; the size stays until the next resize. */
export async function resizePermits(
  { pool, redis, keys }: Pick<EngineParts, "pool" | "redis" | "keys">,
  size: number,
  by: PersonRequest,
): Promise<PoolSize> {
  const decision = { actor: by.actor ?? "library", reason: by.reason ?? "" };
  const resized = await pool.resize(size, decision);
  // Only the history: the resize stands whether or not it is told.
  await publishResize(redis, keys, resized, decision).catch(() => undefined);
  return resized;
}

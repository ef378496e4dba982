/** One entry of the change feed for a whole run, for providers whose feed names no single record. */
import { loadScript } from "../redis/scripts.ts";
import type { Attempt, ChangeCounts } from "./contract.ts";
import { assertAllowed, type StoreContext } from "./storeContext.ts";

const summariseScript = loadScript(new URL("./lua/summarise-4.lua", import.meta.url));

/** Does nothing for providers of another kind, for a run that changed nothing, and when it was told before. */
export async function summariseRun(
  context: StoreContext,
  attempt: Attempt,
  { created, updated, removed }: ChangeCounts,
): Promise<void> {
  if (context.provider.changes !== "summary") return;
  if (created + updated + removed === 0) return;
  const { redis, keys, changesLimit } = context;
  const run = keys.run(attempt.runId);
  const reply = Number(
    await summariseScript.run(
      redis,
      [run.run, run.fences, keys.changes, keys.meta],
      [
        attempt.batchKey,
        attempt.fence,
        attempt.runId,
        changesLimit,
        JSON.stringify({ created, updated, removed }),
      ],
    ),
  );
  if (reply < 0) assertAllowed(reply, attempt);
}

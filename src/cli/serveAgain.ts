/** A service outlasts any outage of its Redis. */
import { setTimeout as sleep } from "node:timers/promises";
import { isUeeError } from "../core/errors.ts";
import { EXIT } from "./exitCodes.ts";

/** Serves until the signal fires, anew whenever Redis went away before the service stood; returns the exit code. */
export async function serveAgain(signal: AbortSignal, serve: () => Promise<number>): Promise<number> {
  while (!signal.aborted) {
    try {
      return await serve();
    } catch (error) {
      // Told to stop while it still waited: a service that was told to stop has stopped.
      if (signal.aborted) break;
      // Redis went away between connecting and opening the store; it is waited for anew.
      if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
      await sleep(1_000, undefined, { signal }).catch(() => {});
    }
  }
  return EXIT.done;
}

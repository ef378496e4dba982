/** Keeps a service up across any outage of its Redis. */
import { setTimeout as sleep } from "node:timers/promises";
import { isUeeError } from "../core/errors.ts";
import { EXIT } from "./exitCodes.ts";

/** Serves until the signal fires, and starts again if Redis is lost before the service is up; returns the exit code. */
export async function serveAgain(signal: AbortSignal, serve: () => Promise<number>): Promise<number> {
  while (!signal.aborted) {
    try {
      return await serve();
    } catch (error) {
      // Told to stop while it was waiting: it counts as stopped.
      if (signal.aborted) break;
      // Redis was lost between connecting and opening the store; wait for it again.
      if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
      await sleep(1_000, undefined, { signal }).catch(() => {});
    }
  }
  return EXIT.done;
}

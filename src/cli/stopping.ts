/** How long a service that was told to stop may take, and how it says how that went. */
import type { Config } from "../config/index.ts";
import type { Logger } from "../core/logger.ts";
import { EXIT } from "./exitCodes.ts";

/** Before the configuration is known there is nothing that could take longer, ms. */
const UNCONFIGURED_MS = 5_000;
/** Share of the deadline for letting go in order; the rest is for what hangs even then. */
const ORDERLY_SHARE = 0.9;

/** ms: for letting go in order, and until the process ends whatever is left. */
export function serviceStopMs(config: Config | undefined): { orderlyMs: number; hardMs: number } {
  const hardMs = config?.stopDeadline ?? UNCONFIGURED_MS;
  return { orderlyMs: hardMs * ORDERLY_SHARE, hardMs };
}

/**
 * The last line of a service, and its exit code. A service that was told to stop has stopped: 0, whatever it had to leave
 * to locks and leases that end by themselves. The line names that.
 */
export function sayStopped(logger: Logger | undefined, left: readonly string[]): number {
  if (left.length === 0) {
    logger?.info({ event: "stopped" }, "stopped");
  } else {
    const line = { event: "stop_late", code: "SYS_STOP_LATE", left };
    logger?.error(line, `stopped; left behind: ${left.join("; ")}`);
  }
  return EXIT.done;
}

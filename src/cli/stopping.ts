/** The time a service has to stop, and its last line. */
import type { Config } from "../config/index.ts";
import type { Logger } from "../core/logger.ts";
import { EXIT } from "./exitCodes.ts";

/** Before the configuration is known nothing can take longer, ms. */
const UNCONFIGURED_MS = 5_000;
/** Share of the deadline for an orderly stop; the rest is for work that hangs. */
const ORDERLY_SHARE = 0.9;

/** ms: for an orderly stop, and until the process exits in any case. */
export function serviceStopMs(config: Config | undefined): { orderlyMs: number; hardMs: number } {
  const hardMs = config?.stopDeadline ?? UNCONFIGURED_MS;
  return { orderlyMs: hardMs * ORDERLY_SHARE, hardMs };
}

/**
 * The last line of a service, and its exit code. A service that was told to stop exits with 0 even if work remains
 * for locks and leases to expire; the line names that work.
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

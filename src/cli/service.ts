/** What the commands share that are services (`up`, `worker`, `dashboard`, `serve`, `sink --follow`): they run until a signal, across outages of Redis. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/index.ts";
import { isUeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { inTime, onAbort } from "../core/waiting.ts";
import type { CliContext, Interrupts, Session, SessionRequest } from "./context.ts";
import { EXIT } from "./exits.ts";

/** Before the configuration is known nothing can take longer, ms. */
const UNCONFIGURED_MS = 5_000;
/** Share of the deadline for an orderly stop; the rest is for work that hangs. */
const ORDERLY_SHARE = 0.9;

interface Known {
  config: Config;
  logger: Logger;
}

export interface Service<Server> {
  request: Pick<SessionRequest, "redis" | "flags">;
  /** Time for this process beyond the configured deadline, ms. */
  extraMs?: number;
  /** Starts what answers while Redis is away, once, as soon as the configuration is known. It is closed at the end. */
  listen?(known: Known): Promise<Server>;
  /** Works until the signal fires; returns the exit code. The session is closed afterwards in any case. */
  serve(session: Session, signal: AbortSignal, server: Server): Promise<number>;
}

/**
 * Serves until a signal comes, and starts again when Redis is lost before the service is up. After the signal it ends
 * within the stop deadline, whatever still hangs. Returns the exit code.
 */
export async function runService<Server extends { close(): Promise<unknown> } | undefined>(
  context: CliContext,
  service: Service<Server>,
  interrupts: Interrupts = context.interrupts(),
): Promise<number> {
  const { signal } = interrupts;
  let known: Known | undefined;
  let server: Server | undefined;
  const onConfig = async (now: Known): Promise<void> => {
    known = now;
    server ??= await service.listen?.(now);
  };
  const serveOnce = async (): Promise<number> => {
    const session = await context.open({ ...service.request, patience: "service", signal, onConfig });
    try {
      return await service.serve(session, signal, server as Server);
    } finally {
      await session.close();
    }
  };
  const serveAgain = async (): Promise<number> => {
    while (!signal.aborted) {
      try {
        return await serveOnce();
      } catch (error) {
        // Told to stop while it was waiting: it counts as stopped.
        if (signal.aborted) break;
        // Redis was lost between connecting and opening the store; wait for it again.
        if (!isUeeError(error, "SYS_REDIS_UNREACHABLE", "SYS_REDIS_TROUBLE")) throw error;
        await sleep(1_000, undefined, { signal }).catch(() => {});
      }
    }
    return EXIT.done;
  };
  const deadlineMs = () => (known?.config.stopDeadline ?? UNCONFIGURED_MS) + (service.extraMs ?? 0);
  const late = () => sayStopped(known?.logger, ["some work did not end and is abandoned"]);
  try {
    return await endInTime(signal, deadlineMs, serveAgain(), late);
  } finally {
    interrupts.release();
    await server?.close();
  }
}

/** Resolves to the result of the work; or, when the time after the signal is over, to that of `late`. */
async function endInTime<Result>(
  signal: AbortSignal,
  deadlineMs: () => number,
  work: Promise<Result>,
  late: () => Result,
): Promise<Result> {
  let stopListening = (): void => undefined;
  const told = new Promise<void>((resolve) => {
    stopListening = onAbort(signal, resolve);
  });
  try {
    return await Promise.race([work, told.then(() => inTime(deadlineMs(), work, late))]);
  } finally {
    stopListening();
  }
}

/** Resolves when the signal fires; at once when it has already. Keeps the process alive meanwhile. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 1_000_000);
    onAbort(signal, () => {
      clearInterval(alive);
      resolve();
    });
  });
}

/** Closes the session in order, within the configured deadline; returns the exit code. */
export async function stopInOrder(session: Session): Promise<number> {
  const { left } = await session.close({ deadlineMs: session.config.stopDeadline * ORDERLY_SHARE });
  return sayStopped(session.logger, left);
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

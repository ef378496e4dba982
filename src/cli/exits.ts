/** How a process ends: the exit codes of the contract, and the signals that stop it. */
import type { EventEmitter } from "node:events";
import { type ErrorCode, UeeError } from "../core/errors.ts";
import type { RunSummary } from "../engine/api.ts";
import type { Interrupts, StopSignal } from "./context.ts";

export const EXIT = { done: 0, failed: 1, usage: 2, redisUnreachable: 3 } as const;

export const exitOfSignal = (signal: StopSignal): number =>
  ({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })[signal];

/** A flag, a file or the environment is wrong, or the machine lacks a required program. */
const usageCodes: ReadonlySet<ErrorCode> = new Set([
  "SYS_USAGE",
  "SYS_CONFIG_INVALID",
  "SYS_REDIS_REQUIRED",
  "SYS_REDIS_AUTH",
  "SYS_REDIS_UNFIT",
  "SYS_REDIS_MISSING",
  "SYS_SCHEMA_NEWER",
  "SYS_FLEET_DISAGREES",
  "PROV_UNKNOWN",
  "VAL_DATE",
  "STOR_CURSOR_INVALID",
  "VAL_BUNDLE_KEY",
  "API_TOKEN_REQUIRED",
  "API_CANNOT_LISTEN",
]);

const redisCodes: ReadonlySet<ErrorCode> = new Set([
  "SYS_REDIS_UNREACHABLE",
  "SYS_REDIS_LOCAL_FAILED",
  "SYS_DATA_DIR",
]);

export function exitOfError(error: unknown): number {
  if (!(error instanceof UeeError)) return EXIT.failed;
  if (usageCodes.has(error.code)) return EXIT.usage;
  if (redisCodes.has(error.code)) return EXIT.redisUnreachable;
  return EXIT.failed;
}

export const exitOfRuns = (runs: readonly RunSummary[]): number =>
  runs.every((run) => run.state === "complete") ? EXIT.done : EXIT.failed;

const stopSignals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * The first signal requests a stop (the abort signal fires), the second one forces it: `exitAtOnce` is called with
 * the signal's exit code. The loss of the supervisor (its channel closes: `disconnect`) requests a stop too but never
 * forces it.
 */
export function watchSignals(source: EventEmitter, exitAtOnce: (code: number) => void): Interrupts {
  const controller = new AbortController();
  let caught: StopSignal | undefined;
  const listeners = stopSignals.map((name) => {
    const listener = () => {
      if (caught) return exitAtOnce(exitOfSignal(name));
      caught = name;
      controller.abort();
    };
    source.on(name, listener);
    return { name, listener };
  });
  const onDisconnect = () => {
    caught ??= "SIGTERM";
    controller.abort();
  };
  source.on("disconnect", onDisconnect);
  return {
    signal: controller.signal,
    get caught() {
      return caught;
    },
    release() {
      for (const { name, listener } of listeners) source.off(name, listener);
      source.off("disconnect", onDisconnect);
    },
  };
}

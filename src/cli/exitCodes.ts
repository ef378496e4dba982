/** Exit codes of the contract; the worst of several results counts. */
import { type ErrorCode, UeeError } from "../core/errors.ts";
import type { RunSummary } from "../engine/api.ts";
import type { StopSignal } from "./context.ts";

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

export const worst = (codes: readonly number[]): number => Math.max(EXIT.done, ...codes);

import { type ErrorClass, type ErrorCode, errorCatalog, retryable } from "./errorCatalog.ts";
import { cleanCause, type ForeignTable, matchForeign, traitsOf } from "./foreignErrors.ts";
import { printable } from "./printable.ts";
import { redactSecrets } from "./secrets.ts";
import { opossumErrors, systemErrors } from "./systemErrors.ts";

export type { ErrorClass, ErrorCode } from "./errorCatalog.ts";

export interface UeeErrorOptions {
  cause?: unknown;
  /** Time to wait before the next attempt, in ms: named by the upstream, or our own back-off. */
  retryAfterMs?: number;
  /** Machine-readable facts (never secrets). */
  data?: Record<string, unknown>;
}

/**
 * The only error class that crosses a folder. Match on `code`. Its text and cause contain nothing that looks like a
 * secret, and its text no control characters, whatever their source.
 */
export class UeeError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
  readonly data: Record<string, unknown>;

  constructor(code: ErrorCode, detail?: string, options: UeeErrorOptions = {}) {
    const said = detail === undefined ? errorCatalog[code].message : printable(redactSecrets(detail));
    super(`${code}: ${said}`, options.cause === undefined ? undefined : { cause: cleanCause(options.cause) });
    this.name = "UeeError";
    this.code = code;
    this.detail = said;
    this.retryAfterMs = options.retryAfterMs;
    this.data = options.data ?? {};
  }

  get class(): ErrorClass {
    return errorCatalog[this.code].class;
  }

  get remedy(): string {
    return errorCatalog[this.code].remedy;
  }

  /** Can the same operation succeed later without any action? */
  get retryable(): boolean {
    return retryable(this.class);
  }
}

export const isUeeError = (error: unknown, ...codes: ErrorCode[]): error is UeeError =>
  error instanceof UeeError && (codes.length === 0 || codes.includes(error.code));

/** The UeeError for an error of a library, by its table; undefined when no row matches. */
export function fromForeign(error: unknown, table: ForeignTable): UeeError | undefined {
  if (error instanceof UeeError) return error;
  const match = matchForeign(error, table);
  return match && new UeeError(match.code, match.detail, match.quotable ? { cause: error } : {});
}

/** Converts any thrown value to a UeeError; unknown errors become SYS_INTERNAL. The cause is kept without secrets. */
export function toUeeError(error: unknown): UeeError {
  return (
    fromForeign(error, opossumErrors) ??
    fromForeign(error, systemErrors) ??
    new UeeError("SYS_INTERNAL", traitsOf(error).message, { cause: error })
  );
}

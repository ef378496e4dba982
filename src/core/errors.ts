import { type ErrorClass, type ErrorCode, errorCatalog } from "./errorCatalog.ts";

export type { ErrorClass, ErrorCode } from "./errorCatalog.ts";

export interface UeeErrorOptions {
  cause?: unknown;
  /** How long to wait before the next try, in ms; the upstream's word or our own back-off. */
  retryAfterMs?: number;
  /** Machine-readable facts (never secrets). */
  data?: Record<string, unknown>;
}

/** The only error class that crosses a folder. Match on `code`. */
export class UeeError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
  readonly data: Record<string, unknown>;

  constructor(code: ErrorCode, detail?: string, options: UeeErrorOptions = {}) {
    const said = detail ?? errorCatalog[code].message;
    super(`${code}: ${said}`, options.cause === undefined ? undefined : { cause: options.cause });
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
}

export const isUeeError = (error: unknown, ...codes: ErrorCode[]): error is UeeError =>
  error instanceof UeeError && (codes.length === 0 || codes.includes(error.code));

/** Any thrown thing as a UeeError; what is foreign becomes SYS_INTERNAL with its cause kept. */
export function toUeeError(error: unknown): UeeError {
  if (error instanceof UeeError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new UeeError("SYS_INTERNAL", text, { cause: error });
}

/**
 * Classifies errors of libraries and Node by pattern: one table per library, as data beside the code that uses it.
 * The first matching row gives our code. The original text is shown only without secrets, or not at all.
 */
import type { ErrorCode } from "./errorCatalog.ts";
import { redactSecrets } from "./secrets.ts";

export interface ForeignPattern {
  /** All given members must match. */
  readonly when: {
    /** `code`, also as a number. */
    readonly code?: RegExp;
    readonly name?: RegExp;
    readonly message?: RegExp;
    /** `syscall` of Node's system errors. */
    readonly syscall?: RegExp;
  };
  readonly as: ErrorCode;
  /**
   * Our text; `{}` is replaced by the original text. Without `{}` the original is not shown: it may quote the input.
   */
  readonly says: string;
}

export interface ForeignTable {
  /** The name of the thing that is shown. */
  readonly library: string;
  readonly patterns: readonly ForeignPattern[];
}

export interface ForeignMatch {
  readonly code: ErrorCode;
  readonly detail: string;
  /** The original text may be shown. */
  readonly quotable: boolean;
}

export interface ForeignTraits {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly syscall: string;
}

const text = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

/**
 * The error that the tables examine. When several addresses were tried and each failed separately, the first failure;
 * for an error of `fetch`, the reason that it wraps.
 */
export function traitsOf(error: unknown): ForeignTraits {
  if (typeof error !== "object" || error === null) {
    return { code: "", name: "", message: String(error), syscall: "" };
  }
  const { code, name, message, syscall, errors, cause } = error as Record<string, unknown>;
  if (message === "fetch failed" && cause) return traitsOf(cause);
  if (Array.isArray(errors) && errors.length > 0 && text(message) === "") return traitsOf(errors[0]);
  return { code: text(code), name: text(name), message: text(message), syscall: text(syscall) };
}

/** Undefined when no row matches. */
export function matchForeign(error: unknown, table: ForeignTable): ForeignMatch | undefined {
  const traits = traitsOf(error);
  for (const { when, as, says } of table.patterns) {
    const fits = (Object.entries(when) as [keyof ForeignTraits, RegExp][]).every(([trait, pattern]) =>
      pattern.test(traits[trait]),
    );
    if (!fits) continue;
    const theirs = (traits.message || traits.code || "unknown").replace(/\.$/, "");
    return {
      code: as,
      detail: redactSecrets(says.replace("{}", () => theirs)),
      quotable: says.includes("{}"),
    };
  }
  return undefined;
}

/**
 * The error as a cause that may be logged completely: name, text and stack without secrets, and none of the
 * properties that libraries attach (commands with their arguments, requests with their headers, the input).
 */
export function cleanCause(error: unknown): unknown {
  // A UeeError is already clean.
  if (error instanceof Error && error.name === "UeeError") return error;
  const { message, name, code } = traitsOf(error);
  if (typeof error !== "object" || error === null) return redactSecrets(message);
  const clean = new Error(redactSecrets(message));
  if (name) clean.name = name;
  const { stack } = error as { stack?: unknown };
  clean.stack = typeof stack === "string" ? redactSecrets(stack) : undefined;
  return code ? Object.assign(clean, { code }) : clean;
}

/**
 * What libraries and Node throw, told by pattern: a table a library, beside the code that uses it, as data. The first row
 * that fits names our code. Their words are shown only without secrets, or not at all.
 */
import type { ErrorCode } from "./errorCatalog.ts";
import { redactSecrets } from "./secrets.ts";

export interface ForeignPattern {
  /** Of what is given here, all must fit. */
  readonly when: {
    /** `code`, a number too. */
    readonly code?: RegExp;
    readonly name?: RegExp;
    readonly message?: RegExp;
    /** `syscall`, of Node's system errors. */
    readonly syscall?: RegExp;
  };
  readonly as: ErrorCode;
  /** Our words; `{}` is where theirs are shown. Without it theirs are not shown: they may quote what was read. */
  readonly says: string;
}

export interface ForeignTable {
  /** As people know it. */
  readonly library: string;
  readonly patterns: readonly ForeignPattern[];
}

export interface ForeignMatch {
  readonly code: ErrorCode;
  readonly detail: string;
  /** Their words may be shown. */
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
 * What the tables look at. Where several addresses were tried and each failed for itself, the first one's failure; of what
 * `fetch` throws, the reason that it hides.
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

/** Undefined where no row fits. */
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
 * The error as a cause that may be logged whole: name, text and stack without secrets, and none of the properties that
 * libraries hang on their errors (commands with their arguments, requests with their headers, the input as it came).
 */
export function cleanCause(error: unknown): unknown {
  // One of ours is clean already.
  if (error instanceof Error && error.name === "UeeError") return error;
  const { message, name, code } = traitsOf(error);
  if (typeof error !== "object" || error === null) return redactSecrets(message);
  const clean = new Error(redactSecrets(message));
  if (name) clean.name = name;
  const { stack } = error as { stack?: unknown };
  clean.stack = typeof stack === "string" ? redactSecrets(stack) : undefined;
  return code ? Object.assign(clean, { code }) : clean;
}

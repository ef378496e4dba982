/** Prints errors for users and scripts: code, message, remedy. */
import { CommanderError } from "commander";
import { toUeeError, UeeError } from "../core/errors.ts";
import { cleanCause } from "../core/foreignErrors.ts";
import { jsonText } from "../core/json.ts";
import { printable } from "../core/printable.ts";
import { asRunError } from "../session/runSummaries.ts";
import type { CliContext } from "./context.ts";
import { styleFor } from "./render/style.ts";

/** commander's message without its prefix, and its suggestion as a sentence. */
function fromCommander(error: CommanderError): UeeError {
  const text = error.message
    .replace(/^error: /, "")
    .replace(/\n\((Did you mean [^)]*)\)/, ". $1")
    .replace(/^(.)/, (first) => first.toUpperCase());
  return new UeeError("SYS_USAGE", /[.?!]$/.test(text) ? text : `${text}.`);
}

/** One line for the error, one for the remedy. With `--json` also one JSON document on stdout. */
export function printFailure(
  context: CliContext,
  error: unknown,
  options: { json: boolean; remedy?: string },
): void {
  const known = toUeeError(error instanceof CommanderError ? fromCommander(error) : error);
  const failure = { ...asRunError(known), retryable: known.retryable };
  const remedy = options.remedy ?? failure.remedy;
  const style = styleFor(context.stderr, context.env);
  context.stderr.write(
    `${style.red(`${failure.code}:`)} ${printable(failure.message)}\n${style.dim(remedy)}\n`,
  );
  if (failure.code === "SYS_INTERNAL" && context.env.UEE_LOG_LEVEL === "debug" && error instanceof Error) {
    context.stderr.write(`${printable((cleanCause(error) as Error).stack ?? "")}\n`);
  }
  if (options.json) printJson(context, { error: { ...failure, remedy } });
}

/** The one document on stdout. */
export function printJson(context: CliContext, value: unknown): void {
  context.stdout.write(`${jsonText(value, 2)}\n`);
}

/** Everything that a command writes: errors, JSON, lines, and a view that is redrawn. */
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { toUeeError, UeeError } from "../core/errors.ts";
import { cleanCause } from "../core/foreignErrors.ts";
import { jsonText } from "../core/json.ts";
import { printable } from "../core/printable.ts";
import { asRunError } from "../session/runs.ts";
import type { CliContext, Terminal } from "./context.ts";
import { styleFor } from "./render/text.ts";

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

const chunkBytes = 64 * 1024;

/**
 * Writes lines: waits while the reader is slow, and stops quietly when it has closed (`| head`). Resolves to their
 * number, or to undefined when the reader has closed.
 */
export async function writeLines<Item>(
  stdout: Terminal,
  items: AsyncIterable<Item>,
  toLine: (item: Item) => string,
  { flushEach = false } = {},
): Promise<number | undefined> {
  let gone = false;
  let failure: Error | undefined;
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") gone = true;
    else failure = error;
  };
  stdout.on("error", onError);
  let buffer = "";
  const flush = async () => {
    if (buffer === "") return;
    const text = buffer;
    buffer = "";
    if (!stdout.write(text) && !gone) {
      // Both listeners are removed: a long export waits thousands of times.
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([once(stdout, "drain", { signal }), once(stdout, "close", { signal })]).catch(
        () => {},
      );
      over.abort();
    }
    // A broken pipe shows one turn of the event loop after the write.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (failure) throw failure;
  };
  let count = 0;
  try {
    for await (const item of items) {
      buffer += `${toLine(item)}\n`;
      count++;
      if (flushEach || buffer.length >= chunkBytes) await flush();
      if (gone) return undefined;
    }
    await flush();
    return gone ? undefined : count;
  } finally {
    // The listener stays after a broken pipe: later errors of that pipe must not become uncaught.
    if (!gone) stdout.off("error", onError);
  }
}

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const restOfLine = "\u001b[K";
const restOfScreen = "\u001b[J";

export interface WatchOptions {
  terminal: Terminal;
  everyMs: number;
  signal: AbortSignal;
  /** The text to show now; a rejection ends the watching. */
  look: () => Promise<string>;
}

/**
 * Redraws a view: in place on a terminal, one after the other elsewhere. Resolves when the signal fires; the terminal is
 * restored, with the last view above the prompt.
 */
export async function watchScreen({ terminal, everyMs, signal, look }: WatchOptions): Promise<void> {
  const inPlace = terminal.isTTY === true;
  let last = "";
  if (inPlace) terminal.write(enter);
  try {
    while (!signal.aborted) {
      last = await look();
      terminal.write(inPlace ? frame(last, terminal.rows ?? 24) : `${last}\n`);
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    if (inPlace) terminal.write(`${leave}${last}`);
  }
}

/** A line reports what does not fit: a terminal that scrolled could not be redrawn in place. */
function frame(text: string, rows: number): string {
  const lines = text.trimEnd().split("\n");
  const shown =
    lines.length < rows ? lines : [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} more lines`];
  return `${home}${shown.map((line) => `${line}${restOfLine}`).join("\n")}\n${restOfScreen}`;
}

/** The command as the user types it: `./bin/uee` in a checkout, `uee` when installed. */
export const invocation = ({ script }: Pick<CliContext, "script">, cwd = process.cwd()): string =>
  script === join(cwd, "bin", "uee") ? "./bin/uee" : "uee";

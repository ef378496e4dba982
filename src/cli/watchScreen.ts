/** A view that is redrawn repeatedly: in place on a terminal, one after the other elsewhere. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Terminal } from "./context.ts";

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const restOfLine = "\u001b[K";
const restOfScreen = "\u001b[J";

export interface WatchOptions {
  terminal: Terminal & { rows?: number };
  everyMs: number;
  signal: AbortSignal;
  /** The text to show now; a rejection ends the watching. */
  look: () => Promise<string>;
}

/** Resolves when the signal fires. The terminal is restored, with the last view above the prompt. */
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

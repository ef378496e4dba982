/** Renders a machine's state. */
import type { MachineStatus } from "../../engine/api.ts";
import type { Style } from "./style.ts";

export { oneLine } from "../../core/printable.ts";
export { isWaiting, situation, situationWithReason } from "../../session/situation.ts";

export function paintMachineState(style: Style, { state }: Pick<MachineStatus, "state">): string {
  if (state === "PAUSED") return style.red(state);
  if (state.startsWith("WAITING_") || state === "STABILIZING" || state === "DRAINING")
    return style.yellow(state);
  if (state === "ACQUIRING" || state === "RUNNING" || state === "ORCHESTRATING") return style.cyan(state);
  return style.dim(state);
}

/** Wraps words into lines of at most this many columns; a longer word has its own line. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A machine's state as people read it: since when, by whom, why, and how much longer. */
import type { MachineStatus } from "../../engine/api.ts";
import { formatAge, formatRough } from "./numbers.ts";
import type { Style } from "./style.ts";

/** A person's or an upstream's words on one line: what could move the terminal's cursor is taken out. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach the terminal
export const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();

export const isWaiting = ({ state }: MachineStatus): boolean => state.startsWith("WAITING_");

export function paintMachineState(style: Style, { state }: Pick<MachineStatus, "state">): string {
  if (state === "PAUSED") return style.red(state);
  if (state.startsWith("WAITING_") || state === "STABILIZING" || state === "DRAINING")
    return style.yellow(state);
  if (state === "ACQUIRING" || state === "RUNNING" || state === "ORCHESTRATING") return style.cyan(state);
  return style.dim(state);
}

/** `paused 2 h ago by ann@desk`, `waits 26 s more`, `has waited 12 s`; undefined where the state says it all. */
export function situation(machine: MachineStatus, now: number): string | undefined {
  const { since, actor } = machine;
  if (machine.state === "PAUSED") {
    const when = since === null ? "" : ` ${formatAge(since, now)}`;
    return `paused${when}${actor === null ? "" : ` by ${oneLine(actor)}`}`;
  }
  if (!isWaiting(machine)) return undefined;
  if (machine.remainingMs > 0) return `waits ${formatRough(machine.remainingMs)} more`;
  return since === null ? "waits" : `has waited ${formatRough(now - Date.parse(since))}`;
}

/** `paused 2 h ago by ann@desk: the upstream moves house` */
export function situationWithReason(machine: MachineStatus, now: number): string | undefined {
  const text = situation(machine, now);
  return text === undefined || machine.reason === null ? text : `${text}: ${oneLine(machine.reason)}`;
}

/** Words into lines of at most so many columns; a longer word has a line of its own. */
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

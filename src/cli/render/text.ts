/** Renders figures, times and states, with or without colours. */
import { stripVTControlCharacters, styleText } from "node:util";
import { formatAge, formatRough } from "../../core/figures.ts";
import type { MachineStatus } from "../../engine/api.ts";
import type { Terminal } from "../context.ts";

export {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRough,
  plural,
} from "../../core/figures.ts";
export { oneLine } from "../../core/printable.ts";
export { isWaiting, situation, situationWithReason } from "../../session/situation.ts";

type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

const names = ["bold", "dim", "red", "green", "yellow", "cyan"] as const;

export const makeStyle = (colours: boolean): Style =>
  Object.fromEntries(
    names.map((name) => [
      name,
      (text: string) => (colours ? styleText(name, text, { validateStream: false }) : text),
    ]),
  ) as unknown as Style;

/** Colours only on terminals; NO_COLOR (any text) disables them, FORCE_COLOR enables them. */
export function wantsColours(terminal: Terminal, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return terminal.isTTY === true && env.TERM !== "dumb";
}

export const styleFor = (terminal: Terminal, env: NodeJS.ProcessEnv): Style =>
  makeStyle(wantsColours(terminal, env));

/** Width of a text in columns. */
export const visibleLength = (text: string): number => stripVTControlCharacters(text).length;

/** Available columns; files and pipes have no limit. */
export const widthOf = (terminal: Terminal): number =>
  terminal.isTTY ? Math.max(40, terminal.columns ?? 80) : Number.POSITIVE_INFINITY;

/** `in 2 h`, `overdue by 5 min`. */
export function formatAhead(iso: string, now: number): string {
  const ahead = Date.parse(iso) - now;
  return ahead < 0 ? `overdue by ${formatRough(-ahead)}` : `in ${formatRough(ahead)}`;
}

/** `14:05:07` by the clock of this machine. */
export const formatClock = (ms: number): string =>
  new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);

/** `14:05` if today, else `Mar 15 14:05`, by the clock of this machine. */
export function formatLocal(iso: string, now: number, { seconds = false } = {}): string {
  const at = new Date(iso);
  const clock = seconds
    ? formatClock(at.getTime())
    : new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
  if (at.toDateString() === new Date(now).toDateString()) return clock;
  const day = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric" }).format(at);
  return `${day} ${clock}`;
}

/** `14:05:07, 3 min ago`: for events whose order in seconds matters. */
export const formatHappened = (iso: string, now: number): string =>
  `${formatLocal(iso, now, { seconds: true })}, ${formatAge(iso, now)}`;

/** `14:05, in 2 h` or `Mar 14 09:00, 27 h ago`. */
export const formatMoment = (iso: string, now: number): string =>
  `${formatLocal(iso, now)}, ${Date.parse(iso) > now ? formatAhead(iso, now) : formatAge(iso, now)}`;

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

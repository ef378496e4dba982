/** One line for a run in progress; the same figures for bars, log lines and `status`. */
import type { RunProgress } from "../../engine/api.ts";
import { doneRatio } from "../../engine/pace.ts";
import { retryText } from "../../session/waitedFor.ts";
import { formatCount, formatPercent, formatRough, plural } from "./numbers.ts";
import { type Style, visibleLength } from "./style.ts";

const phaseWords: Record<RunProgress["phase"], string> = {
  planning: "planning",
  loading: "",
  removing: "removing withdrawn records",
  verifying: "verifying",
  closed: "",
};

/** `160,000 of 361,789 (44 %), 1,240/s, 3 min left` */
export function progressText(run: RunProgress, perSecond?: number): string {
  const parts: string[] = [];
  if (run.expected !== null && run.expected > 0) {
    const percent = formatPercent(doneRatio(run) ?? 0);
    parts.push(`${formatCount(run.fetched)} of ${formatCount(run.expected)} (${percent})`);
  } else if (run.fetched > 0) parts.push(plural(run.fetched, "record"));
  if (run.pass > 1) parts.push(`pass ${run.pass}`);
  if (phaseWords[run.phase] !== "") parts.push(phaseWords[run.phase]);
  if (perSecond !== undefined && perSecond >= 1 && run.phase === "loading") {
    parts.push(`${formatCount(Math.round(perSecond))}/s`);
    const left = (run.expected ?? 0) - run.fetched;
    if (left > 0) parts.push(`${formatRough((left / perSecond) * 1_000)} left`);
  }
  return parts.length > 0 ? parts.join(", ") : "loading";
}

/** No client waits for it any longer: it is closed, or paused until an operator resumes. */
export const waitIsOver = (run: RunProgress): boolean => run.phase === "closed" || run.state === "paused";

/** `waits for …, 26 s` or an empty text. */
export function waitingText(run: RunProgress, now: number): string | undefined {
  if (!run.waiting) return undefined;
  const left = run.waiting.until === null ? 0 : Date.parse(run.waiting.until) - now;
  return `waits: ${run.waiting.reason}${left > 0 ? `, ${formatRough(left)} more` : ""}`;
}

export interface BarInput {
  provider: string;
  /** Width of the provider column. */
  nameWidth: number;
  run: RunProgress | undefined;
  perSecond: number | undefined;
  now: number;
  columns: number;
  style: Style;
}

/** `cve     ██████████░░░░░░░░░░ 44 %  160,000 of 361,789 …`, never wider than the terminal. */
export function barLine({ provider, nameWidth, run, perSecond, now, columns, style }: BarInput): string {
  const name = provider.padEnd(nameWidth);
  if (!run) return clip(`  ${name}  ${style.dim("opening")}`, columns);
  const barWidth = columns >= 90 ? 24 : columns >= 60 ? 12 : 6;
  const ratio = doneRatio(run) ?? 0;
  const filled = Math.round(ratio * barWidth);
  const ended = waitIsOver(run);
  const good = ended && run.state === "complete";
  const paint = good ? style.green : ended ? style.red : run.waiting ? style.yellow : style.cyan;
  const bar = paint("█".repeat(filled)) + style.dim("░".repeat(barWidth - filled));
  const text = ended
    ? paint(`${run.state}, ${plural(run.fetched, "record")}`)
    : run.waiting
      ? style.yellow(waitingText(run, now)!)
      : run.retrying[0]
        ? `${progressText(run, perSecond)}; ${style.yellow(retryText(run.retrying[0], now))}`
        : progressText(run, perSecond);
  return clip(`  ${style.bold(name)}  ${bar}  ${text}`, columns);
}

/** Truncates a line with colours at a column; truncated colours are closed. */
export function clip(line: string, columns: number): string {
  if (visibleLength(line) <= columns) return line;
  let seen = 0;
  let cut = "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that starts a colour
  for (const piece of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (piece.startsWith("\u001b[")) {
      cut += piece;
      continue;
    }
    const room = Math.max(0, columns - 1 - seen);
    if (piece.length > room && room >= 0 && seen < columns) {
      cut += `${piece.slice(0, room)}…`;
      seen = columns;
    } else if (seen < columns) {
      cut += piece;
      seen += piece.length;
    }
  }
  return cut;
}

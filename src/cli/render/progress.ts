/** The progress of runs: bars on a terminal, sampled lines elsewhere, with the same figures as `status`. */
import type { SingleBar } from "cli-progress";
import type { RunProgress } from "../../engine/api.ts";
import { doneRatio, Pace } from "../../engine/pace.ts";
import { retryText } from "../../session/waitedFor.ts";
import type { CliContext } from "../context.ts";
import {
  formatCount,
  formatPercent,
  formatRough,
  plural,
  type Style,
  styleFor,
  visibleLength,
} from "./text.ts";

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
const waitIsOver = (run: RunProgress): boolean => run.phase === "closed" || run.state === "paused";

/** `waits for …, 26 s` or an empty text. */
export function waitingText(run: RunProgress, now: number): string | undefined {
  if (!run.waiting) return undefined;
  const left = run.waiting.until === null ? 0 : Date.parse(run.waiting.until) - now;
  return `waits: ${run.waiting.reason}${left > 0 ? `, ${formatRough(left)} more` : ""}`;
}

/** `██████░░░░░░`: how much of the present pass is done. */
export function progressBar(run: RunProgress, width: number, style: Style, paint = style.cyan): string {
  const filled = Math.round((doneRatio(run) ?? 0) * width);
  return paint("█".repeat(filled)) + style.dim("░".repeat(width - filled));
}

/** Columns of a bar on a line of this width. */
export const barWidthIn = (columns: number): number => (columns >= 90 ? 24 : columns >= 60 ? 12 : 6);

interface BarInput {
  provider: string;
  /** Width of the provider column. */
  nameWidth: number;
  run: RunProgress | undefined;
  /** What is waited for before there is a run. */
  note?: string | undefined;
  perSecond: number | undefined;
  now: number;
  columns: number;
  style: Style;
}

/** `cve     ██████████░░░░░░░░░░ 44 %  160,000 of 361,789 …`, never wider than the terminal. */
export function barLine({
  provider,
  nameWidth,
  run,
  note,
  perSecond,
  now,
  columns,
  style,
}: BarInput): string {
  const name = provider.padEnd(nameWidth);
  if (!run) return clip(`  ${name}  ${style.dim(note ?? "opening")}`, columns);
  const ended = waitIsOver(run);
  const good = ended && run.state === "complete";
  const paint = good ? style.green : ended ? style.red : run.waiting ? style.yellow : style.cyan;
  const bar = progressBar(run, barWidthIn(columns), style, paint);
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

export interface ProgressView {
  update(run: RunProgress): void;
  /** Says something of a provider before its run is followed: a line, or on a terminal the text of its bar until then. */
  note(provider: string, text: string): void;
  /** A line that must not break the bars. */
  log(line: string): void;
  stop(): void;
}

export async function makeProgressView(
  context: CliContext,
  providers: readonly string[],
): Promise<ProgressView> {
  return context.stderr.isTTY ? bars(context, providers) : lines(context);
}

async function bars(context: CliContext, providers: readonly string[]): Promise<ProgressView> {
  const { default: cliProgress } = await import("cli-progress");
  const style = styleFor(context.stderr, context.env);
  const nameWidth = Math.max(...providers.map((name) => name.length));
  const newest = new Map<string, RunProgress>();
  const notes = new Map<string, string>();
  const paces = new Map(providers.map((name) => [name, new Pace()]));
  const multi = new cliProgress.MultiBar({
    stream: context.stderr,
    hideCursor: true,
    clearOnComplete: true,
    // The command that owns the bars handles signals and stops them.
    gracefulExit: false,
    format: (_options, _params, payload: { provider: string }) =>
      barLine({
        provider: payload.provider,
        nameWidth,
        run: newest.get(payload.provider),
        note: notes.get(payload.provider),
        perSecond: paces.get(payload.provider)?.perSecond,
        now: context.now(),
        columns: context.stderr.columns ?? 80,
        style,
      }),
  });
  const bar = new Map<string, SingleBar>(
    providers.map((provider) => [provider, multi.create(1_000, 0, { provider })]),
  );
  let stopped = false;
  return {
    update(run) {
      newest.set(run.provider, run);
      paces.get(run.provider)?.add(run.fetched, context.now());
      bar.get(run.provider)?.update(Math.round((doneRatio(run) ?? 0) * 1_000));
    },
    note: (provider, text) => void notes.set(provider, text),
    log(line) {
      if (stopped) context.stderr.write(`${line}\n`);
      else multi.log(aboveBars(line));
    },
    stop() {
      if (stopped) return;
      stopped = true;
      multi.update();
      multi.stop();
    },
  };
}

const wrapOn = "\u001b[?7h";
const wrapOff = "\u001b[?7l";
const restOfLine = "\u001b[K";

/**
 * Bars are drawn without line wrapping, so a longer line would lose its end; and what is left of a bar to the right of a
 * shorter one must go.
 */
const aboveBars = (text: string): string =>
  `${wrapOn}${text.replaceAll("\n", `${restOfLine}\n`)}${restOfLine}\n${wrapOff}`;

const lineEveryMs = 10_000;

/** One line per phase, per wait, every ten seconds and at the end. */
function lines(context: CliContext): ProgressView {
  const last = new Map<string, { key: string; at: number }>();
  const paces = new Map<string, Pace>();
  return {
    update(run) {
      const now = context.now();
      const pace = paces.get(run.provider) ?? new Pace();
      paces.set(run.provider, pace);
      pace.add(run.fetched, now);
      const [retry] = run.retrying;
      const { runId, state, phase, pass, waiting } = run;
      const key = [runId, state, phase, pass, waiting?.reason, retry?.batch, retry?.attempt].join(" ");
      const before = last.get(run.provider);
      if (before?.key === key && now - before.at < lineEveryMs) return;
      last.set(run.provider, { key, at: now });
      const over = waitIsOver(run);
      const failing = retry === undefined ? "" : `; ${retryText(retry, now)}`;
      const text = over ? run.state : (waitingText(run, now) ?? progressText(run, pace.perSecond)) + failing;
      context.stderr.write(`${run.provider}: ${over ? "" : `${run.mode} run: `}${text}\n`);
    },
    note: (provider, text) => void context.stderr.write(`${provider}: ${text}\n`),
    log: (line) => void context.stderr.write(`${line}\n`),
    stop() {},
  };
}

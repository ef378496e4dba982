/** The end of `uee run`: the result of each provider and the next steps. */
import type { RunState, RunSummary } from "../../engine/api.ts";
import { findProvider } from "../../providers/registry.ts";
import type { Look } from "../command.ts";
import { type Column, renderTable } from "./table.ts";
import { formatCount, formatDuration, plural, type Style } from "./text.ts";

const paintState = (style: Style, state: RunState, text: string): string =>
  state === "complete" ? style.green(text) : state === "running" ? style.cyan(text) : style.red(text);

const count = (
  title: string,
  value: (run: RunSummary) => number,
  style: Style,
  dropFirst?: number,
  alarming = false,
): Column<RunSummary> => ({
  title,
  align: "right",
  value: (run) => formatCount(value(run)),
  paint: (text, run) => (value(run) === 0 ? style.dim(text) : alarming ? style.yellow(text) : text),
  ...(dropFirst === undefined ? {} : { dropFirst }),
});

export function runTable(
  runs: readonly RunSummary[],
  { style, width }: Pick<Look, "style" | "width">,
): string[] {
  return renderTable<RunSummary>(
    runs,
    [
      { title: "provider", value: (run) => run.provider, paint: style.bold },
      { title: "mode", value: (run) => run.mode, dropFirst: 6 },
      {
        title: "result",
        value: (run) => run.state,
        paint: (text, run) => paintState(style, run.state, text),
      },
      count("fetched", (run) => run.fetched, style),
      count("created", (run) => run.created, style),
      count("updated", (run) => run.updated, style),
      count("unchanged", (run) => run.unchanged, style, 4),
      count("removed", (run) => run.removed, style, 3, true),
      count("dead", (run) => run.deadLettered, style, 2, true),
      count("requests", (run) => run.requests, style, 5),
      {
        title: "time",
        align: "right",
        value: (run) => formatDuration(run.durationMs),
        paint: (text) => style.dim(text),
        dropFirst: 7,
      },
    ],
    { width, style },
  );
}

const sum = (runs: readonly RunSummary[], value: (run: RunSummary) => number): number =>
  runs.reduce((total, run) => total + value(run), 0);

/** One sentence about the whole command. */
function runVerdict(runs: readonly RunSummary[], style: Style): string {
  const short = runs.filter((run) => run.state !== "complete");
  if (short.length === 0) {
    const changed = sum(runs, (run) => run.created + run.updated + run.removed);
    const fetched = sum(runs, (run) => run.fetched);
    const what =
      fetched === 0
        ? "the upstreams have no changes"
        : changed === 0
          ? `${plural(fetched, "record")} fetched, none had changed`
          : `${plural(fetched, "record")} fetched, ${formatCount(changed)} of them changed the mirror`;
    return `${style.green("Complete and verified:")} ${what}.`;
  }
  const names = short.map((run) => `${run.provider} ${run.state}`).join(", ");
  return `${style.red("Not complete:")} ${names}.`;
}

/** Cause and remedy of each run that names them. */
export const runErrors = (runs: readonly RunSummary[], style: Style): string[] =>
  runs.flatMap((run) =>
    run.error
      ? [
          `${style.bold(run.provider)}: ${style.red(`${run.error.code}:`)} ${run.error.message}`,
          `  ${style.dim(run.error.remedy)}`,
        ]
      : [],
  );

/** Useful next commands. */
export function nextCommands(runs: readonly RunSummary[], uee: string): { command: string; why: string }[] {
  const commands: { command: string; why: string }[] = [];
  const complete = runs.filter((run) => run.state === "complete");
  const first = complete[0];
  if (first) {
    const { example, subject } = findProvider(first.provider) ?? {};
    const ofProvider = subject === undefined ? "" : ` --provider ${first.provider}`;
    if (example) commands.push({ command: `${uee} get ${example.id}${ofProvider}`, why: "one record" });
    commands.push({
      command: `${uee} export ${first.provider} > ${first.provider}.ndjson`,
      why: "all of them, one JSON line each",
    });
  }
  if (runs.some((run) => run.deadLettered > 0)) {
    commands.push({ command: `${uee} dlq list`, why: "what could not be loaded, and why" });
  }
  const paused = runs.filter((run) => run.state === "paused").map((run) => run.provider);
  if (paused.length > 0) {
    commands.push({ command: `${uee} resume ${paused.join(" ")}`, why: "ends the pause" });
  }
  commands.push({ command: `${uee} status`, why: "how fresh the mirror is" });
  const names = runs.map((run) => run.provider).join(" ");
  commands.push({
    command: `${uee} run ${names} --wait`,
    why: whyAgain(runs),
  });
  return commands;
}

/** The effect of the same command now. */
function whyAgain(runs: readonly RunSummary[]): string {
  const short = runs.filter((run) => run.state !== "complete");
  if (short.length === 0) return "again: fetches only what changed";
  // A stopped run is closed for good.
  return short.every((run) => run.state === "stopped") ? "opens a new run" : "continues where it stopped";
}

export function nextLines(commands: readonly { command: string; why: string }[], style: Style): string[] {
  const width = Math.max(...commands.map(({ command }) => command.length));
  return commands.map(({ command, why }) => `  ${style.cyan(command.padEnd(width))}  ${style.dim(why)}`);
}

export function renderRunSummary(
  runs: readonly RunSummary[],
  look: Pick<Look, "style" | "width"> & { uee: string },
): string {
  const { style, uee } = look;
  const errors = runErrors(runs, style);
  return [
    ...runTable(runs, look),
    "",
    runVerdict(runs, style),
    ...(errors.length > 0 ? ["", ...errors] : []),
    "",
    "Next:",
    ...nextLines(nextCommands(runs, uee), style),
    "",
  ].join("\n");
}

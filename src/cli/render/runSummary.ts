/** The end of `uee run`: the result of each provider and the next steps. */
import type { RunState, RunSummary } from "../../engine/api.ts";
import { findProvider } from "../../providers/registry.ts";
import type { Look } from "../command.ts";
import { type Column, renderTable } from "./table.ts";
import { formatCount, formatDuration, plural, type Style } from "./text.ts";

export function runTable(
  runs: readonly RunSummary[],
  { style, width }: Pick<Look, "style" | "width">,
): string[] {
  const count = (
    title: string,
    value: (run: RunSummary) => number,
    dropFirst?: number,
    paint: (text: string) => string = (text) => text,
  ): Column<RunSummary> => ({
    ...{ title, align: "right", dropFirst },
    value: (run) => formatCount(value(run)),
    paint: (text, run) => (value(run) === 0 ? style.dim(text) : paint(text)),
  });
  const paints: Partial<Record<RunState, (text: string) => string>> = {
    complete: style.green,
    running: style.cyan,
  };
  return renderTable<RunSummary>(
    runs,
    [
      { title: "provider", value: (run) => run.provider, paint: style.bold },
      { title: "mode", value: (run) => run.mode, dropFirst: 6 },
      {
        title: "result",
        value: (run) => run.state,
        paint: (text, { state }) => (paints[state] ?? style.red)(text),
      },
      count("fetched", (run) => run.fetched),
      count("created", (run) => run.created),
      count("updated", (run) => run.updated),
      count("unchanged", (run) => run.unchanged, 4),
      count("removed", (run) => run.removed, 3, style.yellow),
      count("dead", (run) => run.deadLettered, 2, style.yellow),
      count("requests", (run) => run.requests, 5),
      {
        ...{ title: "time", align: "right", dropFirst: 7, paint: style.dim },
        value: (run) => formatDuration(run.durationMs),
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
  const add = (command: string, why: string) => commands.push({ command: `${uee} ${command}`, why });
  const names = (state: RunState) => runs.filter((run) => run.state === state).map((run) => run.provider);
  const [first] = names("complete");
  if (first !== undefined) {
    const { example, subject } = findProvider(first) ?? {};
    const ofProvider = subject === undefined ? "" : ` --provider ${first}`;
    if (example) add(`get ${example.id}${ofProvider}`, "one record");
    add(`export ${first} > ${first}.ndjson`, "all of them, one JSON line each");
  }
  if (runs.some((run) => run.deadLettered > 0)) add("dlq list", "what could not be loaded, and why");
  const paused = names("paused");
  if (paused.length > 0) add(`resume ${paused.join(" ")}`, "ends the pause");
  add("status", "how fresh the mirror is");
  add(`run ${runs.map((run) => run.provider).join(" ")} --wait`, whyAgain(runs));
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

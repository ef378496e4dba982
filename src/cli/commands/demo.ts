import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeEntry } from "../../records/contract.ts";
import type { Simulator } from "../../simulator/index.ts";
import { parseCount, person } from "../arguments.ts";
import { command, lookOf } from "../command.ts";
import type { CliContext, Interrupts, Session } from "../context.ts";
import {
  changeLine,
  closingLine,
  compareWithUpstream,
  comparisonLine,
  demoFaults,
  faultLine,
  movedLine,
} from "../demoStory.ts";
import { EXIT, exitOfRuns, exitOfSignal } from "../exits.ts";
import { invocation } from "../output.ts";
import { makeProgressView, type ProgressView } from "../render/progress.ts";
import { nextLines, runErrors, runTable } from "../render/runSummary.ts";
import { type Style, styleFor } from "../render/text.ts";
import { driveRuns } from "../runDriver.ts";
import { environmentOf } from "./simulate.ts";

export const demo = command({
  name: "demo",
  summary: "show the main job end to end against a local simulator, in under a minute",
  description:
    "Starts a simulator and a Redis of its own, mirrors every provider while the upstreams fail on purpose, " +
    "follows their changes, compares, and removes everything again. Needs no network and touches no settings.",
  options: { "--cves <n>": "generated CVEs (default: 5000)" },
  examples: ["uee demo", "uee demo --cves 50000"],
  run: (context, flags) =>
    perform(context, parseCount(flags.cves ?? "5000", "--cves", { min: 100, max: 400_000 })),
});

async function perform(context: CliContext, cves: number): Promise<number> {
  const startedAt = context.now();
  const { startSimulator, upstreamNames } = await import("../../simulator/index.ts");
  const interrupts = context.interrupts();
  const stage = makeStage(context);
  stage.say(
    `${stage.style.bold("UEE demo.")} A simulator stands in for every upstream; nothing leaves this machine, nothing stays.`,
  );
  const simulator = await startSimulator({ cves, faults: demoFaults });
  const surroundings = await makeSurroundings(context.env, environmentOf(simulator));
  // Sockets to the simulator must not go through a proxy.
  context.env.no_proxy = [context.env.no_proxy ?? context.env.NO_PROXY, "127.0.0.1"]
    .filter(Boolean)
    .join(",");
  try {
    const session = await context.open({
      redis: "private",
      patience: "command",
      flags: {},
      env: surroundings.env,
      logTo: stage.log,
      signal: interrupts.signal,
    });
    try {
      const exitCode = await play({
        context,
        session,
        simulator,
        interrupts,
        stage,
        providers: upstreamNames,
      });
      if (interrupts.caught) return exitOfSignal(interrupts.caught);
      if (exitCode !== EXIT.done) return exitCode;
      const { providers } = await session.engine.status();
      const records = providers.reduce((sum, one) => sum + one.records, 0);
      stage.say(
        "",
        closingLine(context.now() - startedAt, records),
        "",
        "Next:",
        ...farewell(context, stage.style),
      );
      return exitCode;
    } finally {
      await session.close();
    }
  } catch (error) {
    if (interrupts.caught) return exitOfSignal(interrupts.caught);
    throw error;
  } finally {
    await simulator.close();
    await surroundings.remove();
    interrupts.release();
  }
}

interface Acts {
  context: CliContext;
  session: Session;
  simulator: Simulator;
  interrupts: Interrupts;
  stage: Stage;
  providers: typeof import("../../simulator/index.ts").upstreamNames;
}

async function play(acts: Acts): Promise<number> {
  const { session, simulator, stage } = acts;
  const { style } = stage;
  stage.say("", style.bold("1. First load"), style.dim("Some answers are broken on purpose."));
  const first = await mirror(acts, "incremental");
  if (first !== EXIT.done) return first;
  stage.say(faultLine(simulator.counts().injected, style));
  if (!(await isEqual(acts))) return EXIT.failed;

  stage.say(
    "",
    style.bold("2. Some days later: an increment"),
    movedLine(simulator.setPoint("after"), style),
  );
  simulator.clearFaults();
  const before = await lastCursor(session);
  const second = await mirror(acts, "incremental");
  if (second !== EXIT.done) return second;
  const example = changeLine(await firstUpdate(session, before), style);
  if (example) stage.say(example);

  stage.say(
    "",
    style.bold("3. A full run finds what NVD does not announce"),
    style.dim("Edits without a new date, and records that are gone; CVE has one by default every week."),
  );
  const third = await mirror(acts, "full");
  if (third !== EXIT.done) return third;
  return (await isEqual(acts)) ? EXIT.done : EXIT.failed;
}

async function mirror(acts: Acts, mode: "full" | "incremental"): Promise<number> {
  const { context, session, interrupts, stage, providers } = acts;
  const view = await makeProgressView(context, providers);
  stage.view = view;
  try {
    const { runs } = await driveRuns(session, providers, {
      ...{ mode, allowShrink: false, allowOlder: false, wait: true },
      ...person(context, "uee demo"),
      interrupted: interrupts.signal,
      view,
    });
    view.stop();
    if (interrupts.caught) return exitOfSignal(interrupts.caught);
    stage.say(...runTable(runs, lookOf(context)), ...runErrors(runs, stage.style));
    return exitOfRuns(runs);
  } finally {
    view.stop();
    stage.view = undefined;
  }
}

async function isEqual({ session, simulator, stage, providers }: Acts): Promise<boolean> {
  const results = [];
  for (const provider of providers)
    results.push(await compareWithUpstream(session.engine, simulator, provider));
  stage.say(comparisonLine(results, stage.style));
  return results.every(({ different }) => different.length === 0);
}

async function lastCursor({ engine }: Session): Promise<string | undefined> {
  let cursor: string | undefined;
  for await (const change of engine.records.changes({})) cursor = change.cursor;
  return cursor;
}

async function firstUpdate({ engine }: Session, since: string | undefined): Promise<ChangeEntry | undefined> {
  const options = since === undefined ? {} : { since };
  for await (const change of engine.records.changes(options)) {
    if (change.op === "updated" && change.provider === "cve") return change;
  }
  return undefined;
}

interface Stage {
  style: Style;
  say(...lines: string[]): void;
  log(line: string): void;
  /** Progress bars that log lines must not break. */
  view: ProgressView | undefined;
}

function makeStage(context: CliContext): Stage {
  const stage: Stage = {
    style: styleFor(context.stdout, context.env),
    say: (...lines) => void context.stdout.write(`${lines.join("\n")}\n`),
    log: (line) => (stage.view ? stage.view.log(line) : void context.stderr.write(`${line}\n`)),
    view: undefined,
  };
  return stage;
}

function farewell(context: CliContext, style: Style): string[] {
  const uee = invocation(context);
  const real = "the real upstreams: a few minutes";
  return nextLines(
    [
      { command: `${uee} run all --wait`, why: real },
      { command: `${uee} doctor`, why: "check first that everything is ready" },
      { command: `${uee} simulate --cves 50000`, why: "try the simulator and its faults" },
      { command: `${uee} up --workers 4`, why: "a fleet on this machine" },
      { command: `${uee} help`, why: "everything else" },
    ],
    style,
  );
}

/**
 * An isolated environment: it uses none of the caller's settings, store or network, and leaves nothing behind.
 */
interface Surroundings {
  env: NodeJS.ProcessEnv;
  remove(): Promise<void>;
}

async function makeSurroundings(
  caller: NodeJS.ProcessEnv,
  upstreams: Record<string, string>,
): Promise<Surroundings> {
  const directory = await mkdtemp(join(tmpdir(), "uee-demo-"));
  // An empty file, so that the configuration of the working directory is not read.
  const file = join(directory, "config.json");
  await writeFile(file, "{}");
  const env = Object.fromEntries(
    Object.entries(caller).filter(
      ([name]) =>
        !name.startsWith("UEE_") && name !== "REDIS_URL" && name !== "REDIS_TLS_CA" && name !== "NVD_API_KEY",
    ),
  );
  return {
    env: {
      ...env,
      ...upstreams,
      UEE_CONFIG: file,
      UEE_DATA_DIR: join(directory, "data"),
      // The upstreams fail on purpose here; production waits would only delay the demo.
      UEE_WAIT_SCALE: "0.02",
      // These failures are summarised in one line at the end.
      UEE_LOG_LEVEL: caller.UEE_LOG_LEVEL ?? "error",
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}

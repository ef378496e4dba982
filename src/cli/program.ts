/** The command tree, and the only place that turns an outcome into an exit code. */
import { Command, CommanderError, Option } from "commander";
import { version } from "../engine/version.ts";
import { addCommand, type CommandSpec } from "./command.ts";
import { breakers } from "./commands/breakers.ts";
import { bundle } from "./commands/bundle.ts";
import { changes } from "./commands/changes.ts";
import { checkpoints } from "./commands/checkpoints.ts";
import { config } from "./commands/config.ts";
import { dashboard } from "./commands/dashboard.ts";
import { demo } from "./commands/demo.ts";
import { dlq } from "./commands/dlqActions.ts";
import { doctor } from "./commands/doctor.ts";
import { errors } from "./commands/errors.ts";
import { exportCommand } from "./commands/export.ts";
import { get } from "./commands/get.ts";
import { history } from "./commands/history.ts";
import { permits } from "./commands/permits.ts";
import { providerActions } from "./commands/providerActions.ts";
import { reconcile } from "./commands/reconcile.ts";
import { run } from "./commands/run.ts";
import { schedules } from "./commands/schedules.ts";
import { serve } from "./commands/serve.ts";
import { simulate } from "./commands/simulate.ts";
import { sink } from "./commands/sink.ts";
import { status } from "./commands/status.ts";
import { trace } from "./commands/trace.ts";
import { up } from "./commands/up.ts";
import { webhook } from "./commands/webhook.ts";
import { worker } from "./commands/worker.ts";
import type { CliContext } from "./context.ts";
import { EXIT, exitOfError } from "./exits.ts";
import { printFailure } from "./output.ts";

/** The order of the help. */
const groups: Readonly<Record<string, readonly CommandSpec[]>> = {
  "Mirror:": [run, reconcile, status, history, checkpoints, dlq],
  "Govern:": [...providerActions, permits, breakers, schedules],
  "Read:": [get, trace, exportCommand, changes, bundle],
  "Services:": [up, worker, dashboard, serve, sink],
  "Find out:": [doctor, config, errors, webhook],
  "Try out:": [demo, simulate],
};

const description =
  "UEE keeps a complete, current mirror of public security catalogues in Redis. Providers: <providers>.";

const footer = `
Examples:
  $ uee demo                       the main job end to end against a local simulator
  $ uee run all --wait             mirror everything; the same command continues after any interruption
  $ uee get CVE-2021-44228         one record
  $ uee export cve > cve.ndjson    all of them

Exit codes: 0 done; 1 a run ended other than complete, refused, not found; 2 wrong usage or configuration;
3 Redis unreachable; 130/143 interrupted.
Settings come from the environment, a file and flags; \`uee config\` shows them all.`;

interface SettingFlag {
  /** In commander's notation: `--data-dir <path>`. */
  flags: string;
  description: string;
}

/**
 * Every setting is also a flag. The frequent ones are always known; the others are looked up in the configuration's
 * schema only when a flag is unknown to the command, so that a usual start loads no schema.
 */
const commonSettings: readonly SettingFlag[] = [
  { flags: "--redis-url <url>", description: "Redis to use, instead of REDIS_URL" },
  { flags: "--data-dir <path>", description: "where a local Redis keeps its data (default: ./.uee)" },
  { flags: "--prefix <name>", description: "prefix of all keys and queues (default: uee)" },
  { flags: "--log-level <level>", description: "fatal, error, warn, info, debug, trace or silent" },
];

async function allSettings(): Promise<SettingFlag[]> {
  const { allFields, flagOf, metaOf } = await import("../config/fields.ts");
  const { providers } = await import("../providers/registry.ts");
  return Object.entries(allFields(providers)).map(([key, type]) => ({
    flags: `${flagOf(key)} <value>`,
    description: metaOf(key, type).description,
  }));
}

interface ProgramFacts {
  moreSettings?: readonly SettingFlag[];
  /** For help: `<providers>` in a text stands for them. */
  providerNames?: readonly string[];
}

function buildProgram(
  context: CliContext,
  finish: (exitCode: number) => void,
  { moreSettings = [], providerNames = [] }: ProgramFacts = {},
): Command {
  const named = (text: string): string => text.replace("<providers>", providerNames.join(", "));
  const program = new Command("uee")
    .description(description)
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({
      argumentDescription: (argument) => named(argument.description),
      commandDescription: (command) => named(command.description()),
    })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      // runCli prints errors with code and remedy.
      outputError: () => {},
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
    })
    .option("--config <file>", "configuration file")
    .addHelpText("after", footer);

  for (const { flags, description } of commonSettings) program.option(flags, description);
  const common = new Set(commonSettings.map(({ flags }) => flags.split(" ")[0]));
  for (const { flags, description } of moreSettings) {
    if (!common.has(flags.split(" ")[0])) program.addOption(new Option(flags, description).hideHelp());
  }

  for (const [group, commands] of Object.entries(groups)) {
    program.commandsGroup(group);
    if (group === "Find out:") program.helpCommand("help [command]", "show help of a command");
    for (const one of commands) addCommand(program, one, context, finish);
  }
  return program;
}

/** Runs one command line (without node and script) and returns the exit code. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  let exitCode: number = EXIT.done;
  const finish = (code: number): void => {
    exitCode = code;
  };
  const json = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).includes("--json");
  // Only help names the providers: a common start does not load them.
  const providerNames = wantsHelp(argv) ? await context.providerNames() : [];
  let program = buildProgram(context, finish, { providerNames });
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return EXIT.usage;
  }
  try {
    try {
      await program.parseAsync(argv, { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError) || error.code !== "commander.unknownOption") throw error;
      // No command has begun: commander parses options before actions. The flag may be one of the rarer settings.
      program = buildProgram(context, finish, { moreSettings: await allSettings(), providerNames });
      await program.parseAsync(argv, { from: "user" });
    }
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done;
      // A group without its subcommand: commander has already shown the group's help.
      if (error.code === "commander.help") return EXIT.usage;
      printFailure(context, error, { json, remedy: `See \`${helpCommandFor(program, argv)}\`.` });
      return EXIT.usage;
    }
    printFailure(context, error, { json });
    return exitOfError(error);
  }
}

const wantsHelp = (argv: readonly string[]): boolean =>
  argv.length < 2 || argv[0] === "help" || argv.includes("--help") || argv.includes("-h");

/** The deepest command on the command line: its help is relevant. */
function helpCommandFor(program: Command, argv: readonly string[]): string {
  const path: string[] = [];
  let command = program;
  for (const word of argv) {
    const next = command.commands.find((one) => one.name() === word);
    if (!next) continue;
    path.push(word);
    command = next;
  }
  return path.length > 0 ? `uee ${path.join(" ")} --help` : "uee --help";
}

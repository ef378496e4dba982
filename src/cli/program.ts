/** The command tree, and the only place that turns an outcome into an exit code. */
import { Command, CommanderError, Option } from "commander";
import { version } from "../engine/version.ts";
import { defineBreakers } from "./commands/breakers.ts";
import { defineChanges } from "./commands/changes.ts";
import { defineCheckpoints } from "./commands/checkpoints.ts";
import { defineConfig } from "./commands/config.ts";
import { defineDashboard } from "./commands/dashboard.ts";
import { defineDemo } from "./commands/demo.ts";
import { defineDlq } from "./commands/dlq.ts";
import { defineDoctor } from "./commands/doctor.ts";
import { defineErrors } from "./commands/errors.ts";
import { defineExport } from "./commands/export.ts";
import { defineGet } from "./commands/get.ts";
import { defineHistory } from "./commands/history.ts";
import { definePermits } from "./commands/permits.ts";
import { defineProviderActions } from "./commands/providerActions.ts";
import { defineRun } from "./commands/run.ts";
import { defineSchedules } from "./commands/schedules.ts";
import { defineSimulate } from "./commands/simulate.ts";
import { defineStatus } from "./commands/status.ts";
import { defineUp } from "./commands/up.ts";
import { defineWorker } from "./commands/worker.ts";
import type { CliContext, Finish } from "./context.ts";
import { EXIT, exitOfError } from "./exitCodes.ts";
import { printFailure } from "./failures.ts";
import { allSettings, commonSettings, type SettingFlag } from "./settingFlags.ts";

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

interface ProgramFacts {
  moreSettings?: readonly SettingFlag[];
  /** For help: `<providers>` in a text stands for them. */
  providerNames?: readonly string[];
}

function buildProgram(
  context: CliContext,
  finish: Finish,
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

  program.commandsGroup("Mirror:");
  defineRun(program, context, finish);
  defineStatus(program, context, finish);
  defineHistory(program, context, finish);
  defineCheckpoints(program, context, finish);
  defineDlq(program, context, finish);
  program.commandsGroup("Govern:");
  defineProviderActions(program, context, finish);
  definePermits(program, context, finish);
  defineBreakers(program, context, finish);
  defineSchedules(program, context, finish);
  program.commandsGroup("Read:");
  defineGet(program, context, finish);
  defineExport(program, context, finish);
  defineChanges(program, context, finish);
  program.commandsGroup("Services:");
  defineUp(program, context, finish);
  defineWorker(program, context, finish);
  defineDashboard(program, context, finish);
  program.commandsGroup("Find out:");
  program.helpCommand("help [command]", "show help of a command");
  defineDoctor(program, context, finish);
  defineConfig(program, context, finish);
  defineErrors(program, context, finish);
  program.commandsGroup("Try out:");
  defineDemo(program, context, finish);
  defineSimulate(program, context, finish);
  return program;
}

/** Runs one command line (without node and script) and returns the exit code. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  let exitCode: number = EXIT.done;
  const finish: Finish = (code) => {
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

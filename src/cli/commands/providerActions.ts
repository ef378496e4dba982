/** `uee pause`, `resume` and `stop`: an operator's actions on a provider. */

import type { Command } from "commander";
import type { NamedRequest } from "../../core/actor.ts";
import { isUeeError } from "../../core/errors.ts";
import type { Engine, MachineStatus } from "../../engine/api.ts";
import { isRedisTrouble } from "../../redis/errors.ts";
import { asRunError } from "../../session/runSummaries.ts";
import { personHere } from "../actor.ts";
import { parseProviders, parseReason } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printFailure, printJson } from "../failures.ts";
import { oneLine, paintMachineState, situationWithReason } from "../render/machine.ts";
import { styleFor } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface ActionFlags extends GlobalFlags {
  reason?: string;
  json?: boolean;
}

type ActionName = "pause" | "resume" | "stop";

interface Action {
  name: ActionName;
  summary: string;
  description: string;
  reasonFor: string;
  examples: string;
  /** The next steps that follow from the new state. */
  consequence: (provider: string, machine: MachineStatus) => string;
}

const actions: readonly Action[] = [
  {
    name: "pause",
    summary: "pause a provider until an operator resumes it",
    description:
      "New batches stop at once, running ones at their next safe point. The pause outlasts restarts, deploys and " +
      "schedules. A provider that is already paused keeps its first reason and author.",
    reasonFor: "reason; `uee status` and `uee history` show it",
    examples: `
  $ uee pause cve --reason "NVD announced maintenance"
  $ uee pause all`,
    consequence: (provider) => `nothing starts until \`uee resume ${provider}\``,
  },
  {
    name: "resume",
    summary: "continue a paused provider from its checkpoint",
    description:
      "Ends a pause, set by an operator or after too many errors. An open run continues from its checkpoint; if none is " +
      "open the next one may open.",
    reasonFor: "reason; `uee history` shows it",
    examples: `
  $ uee resume cve --reason "maintenance is over"
  $ uee resume cve && uee run cve --wait`,
    consequence: (_provider, { state }) =>
      state === "TERMINATED" || state === "IDLE"
        ? "no run is open; the next one may open"
        : "the run continues from its checkpoint",
  },
  {
    name: "stop",
    summary: "cancel a provider's open run; committed batches stay",
    description:
      "Cancels the planned batches of the open run and closes it as stopped: it cannot be resumed. Committed batches stay, " +
      "the watermark does not move, and the next `uee run` opens a new run.",
    reasonFor: "reason; `uee history` shows it",
    examples: `
  $ uee stop cve --reason "wrong upstream configured"
  $ uee stop cve cwe --json | jq '.providers[] | {provider, state: .machine.state}'`,
    consequence: () => "no run is open; committed batches stay",
  },
];

export function defineProviderActions(program: Command, context: CliContext, finish: Finish): void {
  for (const action of actions) {
    program
      .command(action.name)
      .summary(action.summary)
      .description(action.description)
      .argument("<provider...>", "<providers> or all")
      .option("--reason <text>", action.reasonFor)
      .option("--json", "print one JSON document")
      .addHelpText(
        "after",
        `\nA provider whose state does not allow it is refused: exit 1, with the states that would.\n\nExamples:${action.examples}`,
      )
      .action(async (words: string[], _options: unknown, command: Command) => {
        finish(await act(context, action, words, command.optsWithGlobals<ActionFlags>()));
      });
  }
}

type Result = { provider: string } & ({ machine: MachineStatus } | { error: unknown });

async function act(
  context: CliContext,
  action: Action,
  words: string[],
  flags: ActionFlags,
): Promise<number> {
  const names = parseProviders(words, await context.providerNames());
  const reason = parseReason(flags.reason);
  const by = { actor: personHere(context.env), ...(reason === undefined ? {} : { reason }) };
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const results: Result[] = [];
    for (const provider of names) results.push(await ask(engine, action.name, provider, by));
    if (flags.json) printJson(context, { providers: results.map(jsonOf) });
    for (const result of results) {
      if ("error" in result) printFailure(context, result.error, { json: false });
      else if (!flags.json) context.stdout.write(lineOf(context, action, result));
    }
    if (action.name === "resume") await warnWhenNobodyWorks(context, engine, results);
    return results.some((result) => "error" in result) ? EXIT.failed : EXIT.done;
  });
}

/** A refusal for one provider does not prevent the request to the others; an unreachable Redis ends all. */
async function ask(engine: Engine, action: ActionName, provider: string, by: NamedRequest): Promise<Result> {
  try {
    return { provider, machine: await engine[action](provider, by) };
  } catch (error) {
    if (!isUeeError(error) || isRedisTrouble(error)) throw error;
    return { provider, error };
  }
}

function jsonOf(result: Result) {
  if ("machine" in result) return { ...result, error: null };
  const data = isUeeError(result.error) ? result.error.data : {};
  return {
    provider: result.provider,
    machine: null,
    error: {
      ...asRunError(result.error),
      ...(data.state === undefined ? {} : { state: data.state }),
      ...(Array.isArray(data.allowed) ? { allowed: data.allowed } : {}),
    },
  };
}

function lineOf(
  context: CliContext,
  action: Action,
  { provider, machine }: { provider: string; machine: MachineStatus },
): string {
  const style = styleFor(context.stdout, context.env);
  const state = paintMachineState(style, machine);
  const paused = machine.state === "PAUSED" ? situationWithReason(machine, context.now()) : undefined;
  const why = machine.reason === null ? "" : `: ${oneLine(machine.reason)}`;
  const line = `${style.bold(provider)}: ${paused ?? `${state}${why}`}`;
  return `${line}\n  ${style.dim(action.consequence(provider, machine))}\n`;
}

/** Resumed, but no worker is live: the same hint as for a run that no worker processes. */
async function warnWhenNobodyWorks(
  context: CliContext,
  engine: Engine,
  results: readonly Result[],
): Promise<void> {
  const resumed = results.filter((one) => "machine" in one && one.machine.state !== "TERMINATED");
  if (resumed.length === 0 || (await engine.liveWorkers()).length > 0) return;
  const style = styleFor(context.stderr, context.env);
  const names = resumed.map(({ provider }) => provider).join(" ");
  context.stderr.write(
    `${style.yellow("Note:")} no worker is live. Start one: uee worker, or uee run ${names} --wait.\n`,
  );
}

/** `uee pause`, `resume` and `stop`: an operator's actions on a provider. */
import type { NamedRequest } from "../../core/actor.ts";
import { isUeeError } from "../../core/errors.ts";
import type { Engine, MachineStatus } from "../../engine/api.ts";
import { isRedisTrouble } from "../../redis/errors.ts";
import { asRunError } from "../../session/runs.ts";
import { parseProviders, person } from "../arguments.ts";
import { type CommandSpec, command, jsonOption, lookOf, withSession } from "../command.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exits.ts";
import { printFailure, printJson } from "../output.ts";
import { oneLine, paintMachineState, situationWithReason, styleFor } from "../render/text.ts";

interface Action {
  name: "pause" | "resume" | "stop";
  summary: string;
  description: string;
  examples: readonly string[];
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
    examples: ['uee pause cve --reason "NVD announced maintenance"', "uee pause all"],
    consequence: (provider) => `nothing starts until \`uee resume ${provider}\``,
  },
  {
    name: "resume",
    summary: "continue a paused provider from its checkpoint",
    description:
      "Ends a pause, set by an operator or after too many errors. An open run continues from its checkpoint; if none is " +
      "open the next one may open.",
    examples: ['uee resume cve --reason "maintenance is over"', "uee resume cve && uee run cve --wait"],
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
    examples: [
      'uee stop cve --reason "wrong upstream configured"',
      "uee stop cve cwe --json | jq '.providers[] | {provider, state: .machine.state}'",
    ],
    consequence: () => "no run is open; committed batches stay",
  },
];

export const providerActions: readonly CommandSpec[] = actions.map((action) =>
  command({
    ...action,
    arguments: { "<provider...>": "<providers> or all" },
    options: { "--reason <text>": "reason; `uee status` and `uee history` show it", ...jsonOption },
    note: "A provider whose state does not allow it is refused: exit 1, with the states that would.",
    async run(context, flags, words) {
      const names = await parseProviders(context, words);
      const by = person(context, flags.reason);
      return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
        const results: Result[] = [];
        for (const provider of names) results.push(await ask(engine, action.name, provider, by));
        if (flags.json) printJson(context, { providers: results.map(jsonOf) });
        for (const result of results) {
          if ("error" in result) printFailure(context, result.error, { json: false });
          else if (!flags.json) context.stdout.write(textOf(context, action, result));
        }
        if (action.name === "resume") await warnWithoutWorker(context, engine, results);
        return results.some((result) => "error" in result) ? EXIT.failed : EXIT.done;
      });
    },
  }),
);

type Result = { provider: string } & ({ machine: MachineStatus } | { error: unknown });

/** A refusal for one provider does not prevent the request to the others; an unreachable Redis ends all. */
async function ask(
  engine: Engine,
  action: Action["name"],
  provider: string,
  by: NamedRequest,
): Promise<Result> {
  try {
    return { provider, machine: await engine[action](provider, by) };
  } catch (error) {
    if (!isUeeError(error) || isRedisTrouble(error)) throw error;
    return { provider, error };
  }
}

function jsonOf(result: Result) {
  if ("machine" in result) return { ...result, error: null };
  const { state, allowed } = isUeeError(result.error) ? result.error.data : {};
  return { provider: result.provider, machine: null, error: { ...asRunError(result.error), state, allowed } };
}

function textOf(context: CliContext, action: Action, result: { provider: string; machine: MachineStatus }) {
  const { provider, machine } = result;
  const { style, now } = lookOf(context);
  const paused = machine.state === "PAUSED" ? situationWithReason(machine, now) : undefined;
  const why = machine.reason === null ? "" : `: ${oneLine(machine.reason)}`;
  const state = paused ?? `${paintMachineState(style, machine)}${why}`;
  return `${style.bold(provider)}: ${state}\n  ${style.dim(action.consequence(provider, machine))}\n`;
}

/** Resumed, but no worker is live: the same hint as for a run that no worker processes. */
async function warnWithoutWorker(
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

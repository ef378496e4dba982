import type { Command } from "commander";
import { personHere } from "../actor.ts";
import { parseProvider, parseReason } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { renderBreakers, renderReset } from "../render/breakers.ts";
import { styleFor, widthOf } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface JsonFlag extends GlobalFlags {
  json?: boolean;
}

interface ResetFlags extends JsonFlag {
  reason?: string;
}

export function defineBreakers(program: Command, context: CliContext, finish: Finish): void {
  const breakers = program
    .command("breakers")
    .summary("show the upstreams' circuit breakers: which are open, why and until when")
    .description(
      "Five consecutive failed calls open an upstream's breaker for the whole fleet: no request is sent until its open period ends; " +
        "then one request probes for the fleet (docs/breakers.md).",
    )
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee breakers\n  $ uee breakers --json | jq '.breakers[] | select(.state != \"closed\")'\n" +
        '  $ uee breakers reset cve --reason "NVD is back"',
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await show(context, command.optsWithGlobals<JsonFlag>()));
    });
  breakers
    .command("reset")
    .description(
      "Closes a provider's breaker early, for the whole fleet. Use it when you know that the upstream works again. " +
        "If it does not, the next five failures open it again.",
    )
    .argument("<provider>", "the provider of the upstream")
    .option("--reason <text>", "reason; `uee history` shows it")
    .option("--json", "print one JSON document")
    .addHelpText("after", '\nExamples:\n  $ uee breakers reset cve --reason "the proxy is back"')
    .action(async (provider: string, _options: unknown, command: Command) => {
      finish(await reset(context, provider, command.optsWithGlobals<ResetFlags>()));
    });
}

async function show(context: CliContext, flags: JsonFlag): Promise<number> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const views = await engine.breakers();
    if (flags.json) printJson(context, { breakers: views });
    else {
      const style = styleFor(context.stdout, context.env);
      context.stdout.write(
        renderBreakers(views, { style, width: widthOf(context.stdout), now: context.now() }),
      );
    }
    return EXIT.done;
  });
}

async function reset(context: CliContext, word: string, flags: ResetFlags): Promise<number> {
  const provider = parseProvider(word, await context.providerNames());
  const reason = parseReason(flags.reason);
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const by = { actor: personHere(context.env), ...(reason === undefined ? {} : { reason }) };
    const result = await engine.resetBreaker(provider, by);
    if (flags.json) printJson(context, { changed: result.changed, breaker: result.view });
    else context.stdout.write(renderReset(result, { style: styleFor(context.stdout, context.env) }));
    return EXIT.done;
  });
}

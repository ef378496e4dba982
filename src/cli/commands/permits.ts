import type { Command } from "commander";
import { personHere } from "../actor.ts";
import { parseCount, parseReason } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { renderAudit, renderPool, renderResize } from "../render/permits.ts";
import { styleFor, widthOf } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface JsonFlag extends GlobalFlags {
  json?: boolean;
}

interface ResizeFlags extends JsonFlag {
  reason?: string;
}

interface AuditFlags extends JsonFlag {
  repair?: boolean;
}

/** Maximum size of the pool. */
const mostPermits = 4_096;

export function definePermits(program: Command, context: CliContext, finish: Finish): void {
  const permits = program
    .command("permits")
    .summary("show and change the fleet's permit pool")
    .description(
      "A permit is the right to process one batch; the whole fleet shares one pool (docs/permits.md).",
    );
  permits
    .command("show")
    .description("Shows the pool's size, what each provider holds and waits for, and the holders.")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee permits show\n  $ uee permits show --json | jq '{effective, allocated, waiting}'",
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await show(context, command.optsWithGlobals<JsonFlag>()));
    });
  permits
    .command("resize")
    .description(
      "Sets the size of the pool at once and permanently: UEE_PERMITS only applies to a new pool. Permits held beyond " +
        "the new size are asked back.",
    )
    .argument("<n>", `permits, 1 to ${mostPermits}`)
    .option("--reason <text>", "reason; `uee history` shows it")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      '\nExamples:\n  $ uee permits resize 4 --reason "Redis is shared this week"\n  $ uee permits resize 10',
    )
    .action(async (size: string, _options: unknown, command: Command) => {
      finish(await resize(context, size, command.optsWithGlobals<ResizeFlags>()));
    });
  permits
    .command("audit")
    .description("Recounts leases and waiters; exit 1 when the stored figures disagree.")
    .option("--repair", "repair the figures that disagree; then exit 0")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee permits audit           for monitoring\n  $ uee permits audit --repair",
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await audit(context, command.optsWithGlobals<AuditFlags>()));
    });
}

const lookOf = (context: CliContext) => ({
  style: styleFor(context.stdout, context.env),
  width: widthOf(context.stdout),
});

async function show(context: CliContext, flags: JsonFlag): Promise<number> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const view = await engine.permits.show();
    if (flags.json) printJson(context, view);
    else context.stdout.write(renderPool(view, lookOf(context)));
    return EXIT.done;
  });
}

async function resize(context: CliContext, text: string, flags: ResizeFlags): Promise<number> {
  const size = parseCount(text, "The size", { max: mostPermits });
  const reason = parseReason(flags.reason);
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const by = { actor: personHere(context.env), ...(reason === undefined ? {} : { reason }) };
    const result = await engine.permits.resize(size, by);
    if (flags.json) printJson(context, result);
    else context.stdout.write(renderResize(result, lookOf(context)));
    return EXIT.done;
  });
}

async function audit(context: CliContext, flags: AuditFlags): Promise<number> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const report = await engine.permits.audit({
      repair: flags.repair === true,
      actor: personHere(context.env),
    });
    if (flags.json) printJson(context, report);
    else context.stdout.write(renderAudit(report, lookOf(context)));
    return report.drift > 0 && !report.repaired ? EXIT.failed : EXIT.done;
  });
}

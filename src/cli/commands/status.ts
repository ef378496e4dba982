import type { Command } from "commander";
import { parseDurationOption } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { findStale, renderStatus } from "../render/status.ts";
import { styleFor, widthOf } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface StatusFlags extends GlobalFlags {
  check?: boolean;
  maxAge?: string;
  json?: boolean;
}

export function defineStatus(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("status")
    .summary("show the ETL tree: every provider, its runs and jobs")
    .description(
      "Shows the fleet's state and every provider: its state, verified or not, how fresh, how many records, the open " +
        "run, why it waits and for how long, who paused it and why, a circuit breaker that is open, the last run's result, " +
        "and its jobs.",
    )
    .option("--check", "exit 1 when a provider is unverified, paused or stale")
    .option("--max-age <duration>", "with --check: stale when last verified longer ago, e.g. 6h")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee status
  $ uee status --check --max-age 6h     for monitoring
  $ uee status --json | jq '.providers[] | {provider, verified, watermark}'`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await status(context, command.optsWithGlobals<StatusFlags>()));
    });
}

async function status(context: CliContext, flags: StatusFlags): Promise<number> {
  const maxAgeMs = flags.maxAge === undefined ? undefined : parseDurationOption(flags.maxAge, "--max-age");
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const [found, breakers] = await Promise.all([engine.status(), engine.breakers()]);
    const now = Date.parse(found.at);
    const problems = flags.check || maxAgeMs !== undefined ? findStale(found, maxAgeMs, now) : [];
    if (flags.json) printJson(context, { ...found, breakers });
    else {
      const style = styleFor(context.stdout, context.env);
      context.stdout.write(renderStatus(found, { style, now, width: widthOf(context.stdout) }, breakers));
    }
    const style = styleFor(context.stderr, context.env);
    for (const { provider, problem } of problems) {
      context.stderr.write(`${style.red("Check failed:")} ${provider} ${problem}.\n`);
    }
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  });
}

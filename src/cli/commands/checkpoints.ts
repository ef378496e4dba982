import { type Command, Option } from "commander";
import type { Checkpoint } from "../../engine/api.ts";
import { parseCount, parseProvider } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { formatCount } from "../render/numbers.ts";
import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";
import { formatHappened } from "../render/times.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface CheckpointFlags extends GlobalFlags {
  limit: string;
  failed?: boolean;
  json?: boolean;
}

export function defineCheckpoints(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("checkpoints")
    .summary("list a provider's checkpoints, newest first")
    .description("Lists the committed batches, newest first: each checkpoint is a URN.")
    .argument("<provider>", "<providers>")
    .addOption(new Option("--limit <n>", "at most this many").default("20", "20"))
    .option("--failed", "only batches that failed")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee checkpoints cve
  $ uee checkpoints cve --failed --limit 100 --json`,
    )
    .action(async (provider: string, _options: unknown, command: Command) => {
      finish(await checkpoints(context, provider, command.optsWithGlobals<CheckpointFlags>()));
    });
}

async function checkpoints(context: CliContext, word: string, flags: CheckpointFlags): Promise<number> {
  const provider = parseProvider(word, await context.providerNames());
  const limit = parseCount(flags.limit, "--limit", { max: 100_000 });
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const found = await engine.checkpoints(provider, { limit, failed: flags.failed === true });
    if (flags.json) {
      printJson(context, { checkpoints: found });
      return EXIT.done;
    }
    const style = styleFor(context.stdout, context.env);
    if (found.length === 0) {
      context.stdout.write(`${provider} has no ${flags.failed ? "failed " : ""}checkpoints.\n`);
      return EXIT.done;
    }
    const lines = renderTable<Checkpoint>(
      found,
      [
        {
          title: "at",
          value: (one) => formatHappened(one.at, context.now()),
          paint: (text) => style.dim(text),
          dropFirst: 2,
        },
        {
          title: "result",
          value: (one) => (one.success ? "ok" : "failed"),
          paint: (text, one) => (one.success ? style.green(text) : style.red(text)),
        },
        { title: "URN", value: (one) => one.urn, shrinkTo: 24 },
        { title: "records", align: "right", value: (one) => formatCount(one.records) },
        { title: "pass", align: "right", value: (one) => String(one.pass), dropFirst: 4 },
        { title: "batch", value: (one) => one.batch, shrinkTo: 12, dropFirst: 3 },
        { title: "run", value: (one) => one.runId, shrinkTo: 8, dropFirst: 5 },
        ...(found.some((one) => one.error !== null)
          ? [{ title: "error", value: (one: Checkpoint) => one.error ?? "", shrinkTo: 16 }]
          : []),
      ],
      { width: widthOf(context.stdout), header: style.dim },
    );
    context.stdout.write(`${lines.join("\n")}\n`);
    return EXIT.done;
  });
}

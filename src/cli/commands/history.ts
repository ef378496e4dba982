import { type Command, Option } from "commander";
import type { HistoryLine } from "../../engine/api.ts";
import { parseCount, parseProvider } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { oneLine } from "../render/machine.ts";
import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";
import { formatHappened } from "../render/times.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface HistoryFlags extends GlobalFlags {
  limit: string;
  json?: boolean;
}

export function defineHistory(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("history")
    .summary("list transitions and decisions, newest first")
    .description(
      "Lists the transitions of a provider and of its upstream's circuit breaker, with actor and reason; without a provider " +
        "those of all providers, of the fleet, and the decisions about permits. Newest first.",
    )
    .argument("[provider]", "<providers>; default: everything")
    .addOption(new Option("--limit <n>", "at most this many").default("50", "50"))
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee history
  $ uee history cve --limit 10
  $ uee history --json | jq '.history[] | select(.kind == "quota")'`,
    )
    .action(async (provider: string | undefined, _options: unknown, command: Command) => {
      finish(await history(context, provider, command.optsWithGlobals<HistoryFlags>()));
    });
}

const whose = ({ provider, kind }: HistoryLine): string =>
  provider ?? (kind === "quota" ? "permits" : "fleet");

async function history(context: CliContext, word: string | undefined, flags: HistoryFlags): Promise<number> {
  const provider = word === undefined ? undefined : parseProvider(word, await context.providerNames());
  const limit = parseCount(flags.limit, "--limit", { max: 100_000 });
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const found = await engine.history({ limit, ...(provider === undefined ? {} : { provider }) });
    if (flags.json) {
      printJson(context, { history: found });
      return EXIT.done;
    }
    if (found.length === 0) {
      context.stdout.write(`${provider ?? "The fleet"} has no history yet.\n`);
      return EXIT.done;
    }
    const style = styleFor(context.stdout, context.env);
    const lines = renderTable<HistoryLine>(
      found,
      [
        {
          title: "at",
          value: (one) => formatHappened(one.at, context.now()),
          paint: (text) => style.dim(text),
          dropFirst: 1,
        },
        { title: "of", value: whose, paint: (text) => style.bold(text) },
        { title: "what", value: (one) => one.what },
        { title: "trigger", value: (one) => one.trigger, dropFirst: 3 },
        { title: "by", value: (one) => oneLine(one.actor), shrinkTo: 8, dropFirst: 2 },
        { title: "reason", value: (one) => oneLine(one.reason ?? ""), shrinkTo: 16 },
      ],
      { width: widthOf(context.stdout), header: style.dim },
    );
    context.stdout.write(`${lines.join("\n")}\n`);
    return EXIT.done;
  });
}

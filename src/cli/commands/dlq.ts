import { type Command, Option } from "commander";
import type { CliContext, Finish } from "../context.ts";
import { accept, type PurgeFlags, purge, type ReplayFlags, replay } from "../dlq/act.ts";
import { type ListFlags, list, type ShowFlags, type StatsFlags, show, stats } from "../dlq/read.ts";
import { type ActionFlags, withActionOptions, withFilters } from "../dlq/selection.ts";

export function defineDlq(program: Command, context: CliContext, finish: Finish): void {
  const dlq = program
    .command("dlq")
    .summary("manage dead letters: batches and records that failed permanently")
    .description(
      "Dead letters are batches and records that failed permanently, each with its code; bad records keep their raw bytes. None is " +
        "removed automatically: replay, accept or purge them.",
    );
  defineReads(dlq, context, finish);
  defineActions(dlq, context, finish);
}

function defineReads(dlq: Command, context: CliContext, finish: Finish): void {
  withFilters(dlq.command("list"))
    .description("Lists dead letters, the newest failures first.")
    .addOption(new Option("--limit <n>", "at most this many").default("50", "50"))
    .option("--cursor <cursor>", "continue where the last list ended")
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee dlq list\n  $ uee dlq list --provider cve --code VAL_RECORD_FIELD --json\n" +
        "  $ uee dlq list --class exhausted --newer-than 24h",
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await list(context, command.optsWithGlobals<ListFlags>()));
    });
  dlq
    .command("show")
    .description("Shows one dead letter; for a bad record also the bytes that the upstream sent.")
    .argument("<id>", "the id that `uee dlq list` prints, or the id of its job")
    .option("--raw", "print the raw bytes and nothing else")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExamples:\n  $ uee dlq show <id>\n  $ uee dlq show <id> --raw | jq .")
    .action(async (id: string, _options: unknown, command: Command) => {
      finish(await show(context, id, command.optsWithGlobals<ShowFlags>()));
    });
  dlq
    .command("stats")
    .description(
      "Counts dead letters by code, class and provider, and shows how close each provider is to its cap.",
    )
    .option("--provider <name>", "only this provider")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExamples:\n  $ uee dlq stats\n  $ uee dlq stats --json | jq .byCode")
    .action(async (_options: unknown, command: Command) => {
      finish(await stats(context, command.optsWithGlobals<StatsFlags>()));
    });
}

const idsArgument = [
  "[id...]",
  "ids that `uee dlq list` prints; default: all that match the filters",
] as const;

function defineActions(dlq: Command, context: CliContext, finish: Finish): void {
  withActionOptions(dlq.command("replay").argument(...idsArgument))
    .summary("run dead letters again, each as a new job")
    .description(
      "Creates one new job with new attempts for each dead letter; repeated requests create no second job. One whose " +
        "run is open continues there; others get a replay run, which opens as soon as no other run is open. One that fails again is " +
        "a dead letter again. Without a live worker this process does the work, and waits.",
    )
    .option("--wait", "wait for the end of the replays")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee dlq replay --provider cve --wait\n  $ uee dlq replay d-1f0c… r-77aa…\n" +
        "  $ uee dlq replay --code PROV_BAD_JSON --rate 100/1m\n  $ uee dlq replay --dry-run",
    )
    .action(async (ids: string[], _options: unknown, command: Command) => {
      finish(await replay(context, ids, command.optsWithGlobals<ReplayFlags>()));
    });
  withActionOptions(dlq.command("accept").argument(...idsArgument))
    .summary("accept bad records until they change")
    .description(
      "Runs whose only bad records are accepted ones end complete. The store keeps the older versions of these " +
        "records. When the upstream sends other content for one, it counts again.",
    )
    .addHelpText(
      "after",
      '\nExamples:\n  $ uee dlq accept r-77aa… --reason "NVD knows, ticket 4711"\n' +
        "  $ uee dlq accept --provider cve --code VAL_RECORD_FIELD --dry-run",
    )
    .action(async (ids: string[], _options: unknown, command: Command) => {
      finish(await accept(context, ids, command.optsWithGlobals<ActionFlags>()));
    });
  withActionOptions(dlq.command("purge").argument(...idsArgument))
    .summary("delete dead letters permanently")
    .description(
      "Deletes dead letters with their raw bytes, and lists what is lost. Without --yes it only lists it, and exits with 1. " +
        "Dead letters that are being replayed are kept.",
    )
    .option("--yes", "really")
    .addHelpText(
      "after",
      '\nExamples:\n  $ uee dlq purge --provider attack --older-than 30d\n  $ uee dlq purge d-1f0c… --yes --reason "obsolete"',
    )
    .action(async (ids: string[], _options: unknown, command: Command) => {
      finish(await purge(context, ids, command.optsWithGlobals<PurgeFlags>()));
    });
}

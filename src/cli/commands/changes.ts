import type { Command } from "commander";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { writeLines } from "../ndjson.ts";

import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface ChangesFlags extends GlobalFlags {
  since?: string;
  follow?: boolean;
}

export function defineChanges(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("changes")
    .summary("print the change feed as NDJSON")
    .description(
      "Prints created, updated and removed records, one JSON line each, with the cursor to continue from. A cursor that " +
        "the feed no longer reaches is an error (exit 1), never a gap.",
    )
    .option("--since <cursor>", "continue after this cursor; default: the start of the feed")
    .option("--follow", "wait for more; ends with Ctrl-C")
    .addHelpText(
      "after",
      `
Examples:
  $ uee changes | tail -1 | jq -r .cursor
  $ uee changes --since "$cursor" --follow | while read -r change; do …; done`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await changes(context, command.optsWithGlobals<ChangesFlags>()));
    });
}

async function changes(context: CliContext, flags: ChangesFlags): Promise<number> {
  const interrupts = context.interrupts();
  try {
    return await withSession(context, { redis: "existing", flags }, async ({ engine, lost }) => {
      const stop = AbortSignal.any([interrupts.signal, lost]);
      const entries = engine.records.changes({
        follow: flags.follow === true,
        signal: stop,
        ...(flags.since === undefined ? {} : { since: flags.since }),
      });
      try {
        await writeLines(context.stdout, entries, (entry) => JSON.stringify(entry), {
          flushEach: flags.follow === true,
        });
      } catch (error) {
        if (!stop.aborted) throw error;
      }
      if (lost.aborted) throw lost.reason;
      // Following ends only when the process is told to stop.
      return EXIT.done;
    });
  } finally {
    interrupts.release();
  }
}

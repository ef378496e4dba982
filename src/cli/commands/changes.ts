import { command, untilStopped } from "../command.ts";
import { writeLines } from "../output.ts";

export const changes = command({
  name: "changes",
  summary: "print the change feed as NDJSON",
  description:
    "Prints created, updated and removed records, one JSON line each, with the cursor to continue from. A cursor that " +
    "the feed no longer reaches is an error (exit 1), never a gap.",
  options: {
    "--since <cursor>": "continue after this cursor; default: the start of the feed",
    "--follow": "wait for more; ends with Ctrl-C",
  },
  examples: [
    "uee changes | tail -1 | jq -r .cursor",
    'uee changes --since "$cursor" --follow | while read -r change; do …; done',
  ],
  async run(context, { since, follow = false, ...flags }) {
    // Following ends only when the process is told to stop: that is no failure.
    await untilStopped(context, flags, async ({ engine }, signal) => {
      const entries = engine.records.changes({ since, follow, signal });
      await writeLines(context.stdout, entries, (entry) => JSON.stringify(entry), { flushEach: follow });
    });
  },
});

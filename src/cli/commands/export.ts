import { UeeError } from "../../core/errors.ts";
import { exportLine } from "../../records/exportLine.ts";
import { parseProvider, parseSince } from "../arguments.ts";
import { command, untilStopped } from "../command.ts";
import { exitOfSignal } from "../exits.ts";
import { writeLines } from "../output.ts";

export const exportCommand = command({
  name: "export",
  summary: "print all records of a provider as NDJSON",
  description:
    'Prints every record as one JSON line {"urn","provider","id","firstSeen","lastChanged","data"}, sorted by id. ' +
    "Refused (exit 1) if the provider was never verified complete.",
  arguments: { "<provider>": "<providers>" },
  options: {
    "--since <time>": "only records changed at or after this time: ISO 8601, or how long ago (24h, 7d)",
    "--allow-partial": "even if the provider was never verified complete",
  },
  examples: [
    "uee export cve > cve.ndjson",
    "uee export cve --since 24h | jq -r .id",
    "uee export attack | gzip > attack.ndjson.gz",
  ],
  async run(context, { since: time, allowPartial = false, ...flags }, [word]) {
    const provider = await parseProvider(context, word!);
    const since = time === undefined ? undefined : parseSince(time, context.now());
    const caught = await untilStopped(context, flags, async ({ engine }, signal) => {
      const records = engine.records.export(provider, { allowPartial, signal, since });
      await writeLines(context.stdout, records, exportLine);
    });
    if (caught === undefined) return;
    const cut = new UeeError("SYS_INTERRUPTED", "Interrupted: the export is not complete.");
    context.stderr.write(`${cut.message}\n`);
    return exitOfSignal(caught);
  },
});

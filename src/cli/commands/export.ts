import type { Command } from "commander";
import { UeeError } from "../../core/errors.ts";
import { canonicalJson } from "../../core/json.ts";
import type { StoredRecord } from "../../records/contract.ts";
import { parseProvider, parseSince } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT, exitOfSignal } from "../exitCodes.ts";
import { writeLines } from "../ndjson.ts";

import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface ExportFlags extends GlobalFlags {
  since?: string;
  allowPartial?: boolean;
}

export function defineExport(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("export")
    .summary("print all records of a provider as NDJSON")
    .description(
      'Prints every record as one JSON line {"urn","provider","id","firstSeen","lastChanged","data"}, sorted by id. ' +
        "Refused (exit 1) if the provider was never verified complete.",
    )
    .argument("<provider>", "<providers>")
    .option(
      "--since <time>",
      "only records changed at or after this time: ISO 8601, or how long ago (24h, 7d)",
    )
    .option("--allow-partial", "even if the provider was never verified complete")
    .addHelpText(
      "after",
      `
Examples:
  $ uee export cve > cve.ndjson
  $ uee export cve --since 24h | jq -r .id
  $ uee export attack | gzip > attack.ndjson.gz`,
    )
    .action(async (provider: string, _options: unknown, command: Command) => {
      finish(await exportRecords(context, provider, command.optsWithGlobals<ExportFlags>()));
    });
}

/** The data in its canonical text: values that JSON.stringify would alter (-0) stay unchanged. */
const lineOf = ({ urn, provider, id, firstSeen, lastChanged, data }: StoredRecord): string => {
  const head = JSON.stringify({ urn, provider, id, firstSeen, lastChanged });
  return `${head.slice(0, -1)},"data":${canonicalJson(data)}}`;
};

async function exportRecords(context: CliContext, word: string, flags: ExportFlags): Promise<number> {
  const provider = parseProvider(word, await context.providerNames());
  const since = flags.since === undefined ? undefined : parseSince(flags.since, context.now());
  const interrupts = context.interrupts();
  try {
    return await withSession(context, { redis: "existing", flags }, async ({ engine, lost }) => {
      const stop = AbortSignal.any([interrupts.signal, lost]);
      const records = engine.records.export(provider, {
        allowPartial: flags.allowPartial === true,
        signal: stop,
        ...(since === undefined ? {} : { since }),
      });
      try {
        await writeLines(context.stdout, records, lineOf);
      } catch (error) {
        if (!stop.aborted) throw error;
      }
      if (lost.aborted) throw lost.reason;
      if (interrupts.caught) {
        const cut = new UeeError("SYS_INTERRUPTED", "Interrupted: the export is not complete.");
        context.stderr.write(`${cut.message}\n`);
        return exitOfSignal(interrupts.caught);
      }
      return EXIT.done;
    });
  } finally {
    interrupts.release();
  }
}

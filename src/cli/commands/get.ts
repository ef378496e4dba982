import { isUeeError, UeeError } from "../../core/errors.ts";
import type { Engine } from "../../engine/api.ts";
import type { AnyProvider } from "../../providers/contract.ts";
import { maybeProvider } from "../arguments.ts";
import { command, withSession } from "../command.ts";
import { EXIT } from "../exits.ts";
import { printJson } from "../output.ts";
import { formatAge, formatCount, styleFor } from "../render/text.ts";

export const get = command({
  name: "get",
  summary: "print one record, or when and why it was removed",
  description: "Prints one record as JSON; for a removed record, when and why it was removed (exit 1).",
  arguments: { "<id|urn>": "an id, a URN, or an ATT&CK id" },
  options: {
    "--provider <name>": "the record of this provider; several may share an id",
    "--all": "every record of the subject, one JSON document a line; with --json a list",
    "--json": "print one JSON document in every case",
  },
  examples: [
    "uee get CVE-2021-44228",
    "uee get T1059.001 | jq .data.name",
    "uee get CVE-2021-44228 --provider epss",
    "uee get CVE-2021-44228 --all",
    "uee get v2e::mitre::cwe::CWE-79",
  ],
  async run(context, flags, [word]) {
    const text = word!;
    const provider = await maybeProvider(context, flags.provider);
    return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
      if (flags.all) {
        const about = await engine.records.about(text);
        const records = about.filter((one) => provider === undefined || one.provider === provider);
        if (records.length === 0) throw new UeeError("STOR_NOT_FOUND", await whyNotFound(engine, text));
        if (flags.json) printJson(context, { records });
        else for (const record of records) context.stdout.write(`${JSON.stringify(record)}\n`);
        return EXIT.done;
      }
      const found = await lookUp(engine, text, provider);
      if (!found) throw new UeeError("STOR_NOT_FOUND", await whyNotFound(engine, text));
      if ("record" in found) {
        const { urn, provider, id, firstSeen, lastChanged, data } = found.record;
        printJson(context, { urn, provider, id, firstSeen, lastChanged, data });
        return EXIT.done;
      }
      const { removed, urn } = found;
      if (flags.json) printJson(context, { urn, removed });
      const style = styleFor(context.stderr, context.env);
      context.stderr.write(
        `${style.yellow(`${removed.id} was removed`)} at ${removed.removedAt} ` +
          `(${formatAge(removed.removedAt, context.now())}): ${removed.reason}\n` +
          `${style.dim(`First seen ${removed.firstSeen}; removed by run ${removed.runId}.`)}\n`,
      );
      return EXIT.failed;
    });
  },
});

/** Undefined for a missing record and for an invalid id: both are "not found" to the user. */
async function lookUp(engine: Engine, text: string, provider?: string): ReturnType<Engine["records"]["get"]> {
  try {
    return await engine.records.get(text, { provider });
  } catch (error) {
    if (isUeeError(error, "VAL_URN")) return undefined;
    throw error;
  }
}

/** What to say of a text that leads to no record. */
export async function whyNotFound(engine: Engine, text: string): Promise<string> {
  const about = [...new Set((await engine.records.about(text)).map((record) => record.provider))];
  if (about.length > 0) {
    return `There is no record '${text}' of its own; ${about.join(" and ")} know it: use --all or --provider.`;
  }
  const near: string[] = [];
  const { providers: known } = await import("../../providers/registry.ts");
  for (const spelling of nearSpellings(text, known)) {
    const found = await lookUp(engine, spelling);
    if (found && "record" in found) near.push(spelling);
    if (near.length === 3) break;
  }
  if (near.length > 0) return `There is no record '${text}'. Did you mean ${near.join(" or ")}?`;
  const { providers } = await engine.status();
  const unsure = providers
    .filter((one) => !one.verified)
    .map((one) => `${one.provider} (${formatCount(one.records)} records)`);
  const hint = unsure.length > 0 ? ` Not loaded completely yet: ${unsure.join(", ")}.` : "";
  return `There is no record '${text}'.${hint}`;
}

/** Spellings that were perhaps meant by a text that is no id: each provider knows the forms of its own. */
export function nearSpellings(text: string, providers: readonly Pick<AnyProvider, "nearIds">[]): string[] {
  const plain = text
    .trim()
    .toUpperCase()
    .replace(/[\s_:/]+/g, "-");
  const found = new Set(providers.flatMap((provider) => provider.nearIds?.(plain) ?? []));
  found.delete(text);
  return [...found];
}

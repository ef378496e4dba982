/** The options that all commands of `uee dlq` share: which dead letters are selected. */
import { type Command, Option } from "commander";
import { parseRate } from "../../config/index.ts";
import { UeeError } from "../../core/errors.ts";
import type {
  DeadLetterActionOptions,
  DeadLetterClass,
  DeadLetterFilter,
  DeadLetterSelection,
  DeadLetterState,
} from "../../engine/api.ts";
import { personHere } from "../actor.ts";
import { parseCount, parseDurationOption, parseProvider, parseReason } from "../arguments.ts";
import type { CliContext } from "../context.ts";
import type { GlobalFlags } from "../sessionTypes.ts";

const classes: readonly DeadLetterClass[] = ["exhausted", "permanent", "stalled", "bad-record"];
const states: readonly DeadLetterState[] = ["dead", "replaying", "accepted"];

export interface FilterFlags extends GlobalFlags {
  provider?: string;
  code?: string;
  class?: DeadLetterClass;
  state?: DeadLetterState;
  olderThan?: string;
  newerThan?: string;
}

export interface ActionFlags extends FilterFlags {
  limit?: string;
  rate?: string;
  dryRun?: boolean;
  reason?: string;
  json?: boolean;
}

export const withFilters = (command: Command): Command =>
  command
    .option("--provider <name>", "only this provider")
    .option("--code <code>", "only with this error code")
    .addOption(new Option("--class <class>", "only of this class").choices(classes))
    .addOption(new Option("--state <state>", "only in this state").choices(states))
    .option("--older-than <duration>", "only those whose last failure is older, e.g. 24h")
    .option("--newer-than <duration>", "only those whose last failure is newer, e.g. 2h");

export const withActionOptions = (command: Command): Command =>
  withFilters(command)
    .option("--limit <n>", "at most this many, newest failures first")
    .option(
      "--rate <rate>",
      "at most this many per period, e.g. 100/1m; the command runs until all are processed",
    )
    .option("--dry-run", "only show what would be done")
    .option("--reason <text>", "reason; `uee history` shows it")
    .option("--json", "print one JSON document");

export async function parseFilter(context: CliContext, flags: FilterFlags): Promise<DeadLetterFilter> {
  const age = (text: string | undefined, option: string, name: "olderThanMs" | "newerThanMs") =>
    text === undefined ? {} : { [name]: parseDurationOption(text, option) };
  return {
    ...(flags.provider === undefined
      ? {}
      : { provider: parseProvider(flags.provider, await context.providerNames()) }),
    ...(flags.code === undefined ? {} : { code: flags.code.toUpperCase() }),
    ...(flags.class === undefined ? {} : { class: flags.class }),
    ...(flags.state === undefined ? {} : { state: flags.state }),
    ...age(flags.olderThan, "--older-than", "olderThanMs"),
    ...age(flags.newerThan, "--newer-than", "newerThanMs"),
  };
}

/** Ids, or a filter, or neither, which selects all; never both. */
export async function parseSelection(
  context: CliContext,
  ids: readonly string[],
  flags: FilterFlags,
): Promise<DeadLetterSelection> {
  const filter = await parseFilter(context, flags);
  if (ids.length === 0) return filter;
  if (Object.keys(filter).length === 0) return { ids };
  throw new UeeError("SYS_USAGE", "Name dead letters by their ids or by filters, not by both.");
}

export function parseActionOptions(context: CliContext, flags: ActionFlags): DeadLetterActionOptions {
  const reason = parseReason(flags.reason);
  const rate = flags.rate === undefined ? undefined : parseRate(flags.rate);
  if (flags.rate !== undefined && (rate === undefined || rate === "unlimited")) {
    throw new UeeError("SYS_USAGE", `--rate is '${flags.rate}'; it takes a rate such as 100/1m.`);
  }
  return {
    actor: personHere(context.env),
    ...(reason === undefined ? {} : { reason }),
    ...(flags.limit === undefined ? {} : { limit: parseCount(flags.limit, "--limit") }),
    ...(rate === undefined || rate === "unlimited" ? {} : { rate }),
    ...(flags.dryRun ? { dryRun: true } : {}),
  };
}

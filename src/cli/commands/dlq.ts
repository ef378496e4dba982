import { isUtf8 } from "node:buffer";
import { type Command, Option } from "commander";
import type { DeadLetter } from "../../engine/api.ts";
import { parseCount, parseProvider } from "../arguments.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { formatBytes, formatCount, plural } from "../render/numbers.ts";
import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface ListFlags extends GlobalFlags {
  provider?: string;
  code?: string;
  limit: string;
  json?: boolean;
}

interface ShowFlags extends GlobalFlags {
  raw?: boolean;
  json?: boolean;
}

export function defineDlq(program: Command, context: CliContext, finish: Finish): void {
  const dlq = program
    .command("dlq")
    .summary("dead letters: batches and records that gave up")
    .description(
      "Dead letters: batches and records that gave up, each with its code; of bad records the raw bytes too.",
    );
  dlq
    .command("list")
    .description("Lists dead letters.")
    .option("--provider <name>", "only of this provider")
    .option("--code <code>", "only with this error code")
    .addOption(new Option("--limit <n>", "at most this many").default("50", "50"))
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee dlq list\n  $ uee dlq list --provider cve --code VAL_RECORD_FIELD --json",
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await list(context, command.optsWithGlobals<ListFlags>()));
    });
  dlq
    .command("show")
    .description("Shows one dead letter; of a bad record also the bytes that the upstream sent.")
    .argument("<id>", "as `uee dlq list` prints it")
    .option("--raw", "print the raw bytes and nothing else")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExamples:\n  $ uee dlq show <id>\n  $ uee dlq show <id> --raw | jq .")
    .action(async (id: string, _options: unknown, command: Command) => {
      finish(await show(context, id, command.optsWithGlobals<ShowFlags>()));
    });
}

async function list(context: CliContext, flags: ListFlags): Promise<number> {
  const provider =
    flags.provider === undefined ? undefined : parseProvider(flags.provider, await context.providerNames());
  const limit = parseCount(flags.limit, "--limit", { max: 100_000 });
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const [letters, total] = await Promise.all([
      engine.deadLetters.list({
        limit,
        ...(provider === undefined ? {} : { provider }),
        ...(flags.code === undefined ? {} : { code: flags.code.toUpperCase() }),
      }),
      engine.deadLetters.count(provider),
    ]);
    if (flags.json) {
      printJson(context, { deadLetters: letters, total });
      return EXIT.done;
    }
    if (letters.length === 0) {
      context.stdout.write(
        total === 0 ? "No dead letters.\n" : `None of ${plural(total, "dead letter")} matches.\n`,
      );
      return EXIT.done;
    }
    const style = styleFor(context.stdout, context.env);
    const lines = renderTable<DeadLetter>(
      letters,
      [
        { title: "id", value: (one) => one.id, paint: (text) => style.bold(text) },
        { title: "provider", value: (one) => one.provider },
        { title: "kind", value: (one) => one.kind, dropFirst: 2 },
        { title: "code", value: (one) => one.code, paint: (text) => style.red(text) },
        { title: "subject", value: (one) => one.subject, shrinkTo: 14 },
        { title: "attempts", align: "right", value: (one) => formatCount(one.attempts), dropFirst: 3 },
        { title: "last failed", value: (one) => one.lastFailedAt, dropFirst: 1 },
        { title: "message", value: (one) => one.message, shrinkTo: 20, dropFirst: 4 },
      ],
      { width: widthOf(context.stdout), header: style.dim },
    );
    const more =
      total > letters.length ? `\n${formatCount(letters.length)} of ${formatCount(total)} shown.` : "";
    context.stdout.write(`${lines.join("\n")}${more}\n`);
    return EXIT.done;
  });
}

async function show(context: CliContext, id: string, flags: ShowFlags): Promise<number> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const { letter, raw } = await engine.deadLetters.show(id);
    const readable = raw === null || isUtf8(raw);
    if (flags.json) {
      printJson(context, {
        deadLetter: letter,
        raw: raw === null ? null : raw.toString(readable ? "utf8" : "base64"),
        rawEncoding: raw === null ? null : readable ? "utf8" : "base64",
      });
      return EXIT.done;
    }
    if (flags.raw) {
      if (raw === null) context.stderr.write("This dead letter is a batch: it has no raw bytes.\n");
      else context.stdout.write(raw);
      return raw === null ? EXIT.failed : EXIT.done;
    }
    const style = styleFor(context.stdout, context.env);
    const facts: [string, string][] = [
      ["provider", letter.provider],
      [letter.kind, letter.subject],
      ["error", `${letter.code}: ${letter.message}`],
      ["run", letter.runId],
      ["batch", letter.batch],
      ["job", letter.jobId],
      ["attempts", formatCount(letter.attempts)],
      ["failed", `first ${letter.firstFailedAt}, last ${letter.lastFailedAt}`],
    ];
    const lines = [
      style.bold(letter.id),
      ...facts.map(([name, value]) => `  ${style.dim(name.padEnd(9))} ${value}`),
    ];
    if (raw !== null) {
      lines.push("", `${style.dim(`raw, ${formatBytes(raw.length)}${readable ? "" : ", not UTF-8"}:`)}`);
      lines.push(preview(raw, readable));
    }
    context.stdout.write(`${lines.join("\n")}\n`);
    return EXIT.done;
  });
}

const previewBytes = 4_096;

/** Enough to see what is wrong; `--raw` has it all. */
function preview(raw: Buffer, readable: boolean): string {
  const head = raw.subarray(0, previewBytes);
  const text = readable ? head.toString("utf8") : head.toString("latin1");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach the terminal
  const safe = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "�");
  return raw.length > previewBytes ? `${safe}…\n(--raw prints all of it)` : safe;
}

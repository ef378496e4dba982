/** `uee dlq list`, `show` and `stats`. */
import { isUtf8 } from "node:buffer";
import { printable } from "../../core/printable.ts";
import type { DeadLetter, DeadLetterCap, DeadLetterStats } from "../../engine/api.ts";
import { parseCount, parseProvider } from "../arguments.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { formatAge, formatBytes, formatCount, formatPercent, plural } from "../render/numbers.ts";
import { type Style, styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";
import { type FilterFlags, parseFilter } from "./selection.ts";

export interface ListFlags extends FilterFlags {
  limit: string;
  cursor?: string;
  json?: boolean;
}

export interface ShowFlags extends GlobalFlags {
  raw?: boolean;
  json?: boolean;
}

export interface StatsFlags extends GlobalFlags {
  provider?: string;
  json?: boolean;
}

export async function list(context: CliContext, flags: ListFlags): Promise<number> {
  const filter = await parseFilter(context, flags);
  const limit = parseCount(flags.limit, "--limit", { max: 10_000 });
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const [page, { total }] = await Promise.all([
      engine.deadLetters.list(filter, {
        limit,
        ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
      }),
      engine.deadLetters.stats(filter.provider === undefined ? {} : { provider: filter.provider }),
    ]);
    const { letters, cursor } = page;
    if (flags.json) {
      printJson(context, { deadLetters: letters, total, cursor });
      return EXIT.done;
    }
    if (letters.length === 0) {
      context.stdout.write(
        total === 0 ? "No dead letters.\n" : `None of ${plural(total, "dead letter")} matches.\n`,
      );
      return EXIT.done;
    }
    context.stdout.write(`${letterTable(context, letters).join("\n")}\n`);
    if (cursor !== null) {
      context.stdout.write(
        `${formatCount(letters.length)} of ${formatCount(total)} shown; --cursor ${cursor} goes on.\n`,
      );
    }
    return EXIT.done;
  });
}

export function letterTable(context: CliContext, letters: readonly DeadLetter[]): string[] {
  const style = styleFor(context.stdout, context.env);
  return renderTable<DeadLetter>(
    letters,
    [
      { title: "id", value: (one) => one.id, paint: (text) => style.bold(text) },
      { title: "provider", value: (one) => one.provider },
      { title: "class", value: (one) => one.class, dropFirst: 3 },
      { title: "code", value: (one) => one.code, paint: (text) => style.red(text) },
      { title: "state", value: (one) => one.state, paint: (text, one) => paintState(style, one, text) },
      { title: "subject", value: (one) => one.subject, shrinkTo: 14 },
      { title: "replays", align: "right", value: (one) => formatCount(one.replays), dropFirst: 4 },
      { title: "last failed", value: (one) => formatAge(one.lastFailedAt, context.now()), dropFirst: 1 },
      { title: "message", value: (one) => printable(one.message), shrinkTo: 20, dropFirst: 5 },
    ],
    { width: widthOf(context.stdout), header: style.dim },
  );
}

function paintState(style: Style, { state }: DeadLetter, text: string): string {
  if (state === "dead") return text;
  return state === "accepted" ? style.dim(text) : style.yellow(text);
}

export async function show(context: CliContext, id: string, flags: ShowFlags): Promise<number> {
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
    const { lastAction: last } = letter;
    const facts: [string, string][] = [
      ["provider", letter.provider],
      [letter.kind, letter.subject],
      ["error", `${letter.code}: ${printable(letter.message)}`],
      ["class", letter.class],
      ["state", letter.replayRunId === null ? letter.state : `${letter.state}, in run ${letter.replayRunId}`],
      ["run", letter.runId],
      ["batch", letter.batch],
      ["records", formatCount(letter.size)],
      ["job", letter.jobId ?? "none in the failed set"],
      ["attempts", `${formatCount(letter.attempts)}, ${plural(letter.replays, "replay")}`],
      ["failed", `first ${letter.firstFailedAt}, last ${letter.lastFailedAt}`],
      ...(last
        ? [
            [
              "last",
              `${last.what} by ${printable(last.actor)} at ${last.at}${last.reason ? `: ${printable(last.reason)}` : ""}`,
            ] as [string, string],
          ]
        : []),
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

const PREVIEW_BYTES = 4_096;

/** Enough to see the problem; `--raw` prints all bytes. */
function preview(raw: Buffer, readable: boolean): string {
  const head = raw.subarray(0, PREVIEW_BYTES);
  const text = printable(readable ? head.toString("utf8") : head.toString("latin1"));
  return raw.length > PREVIEW_BYTES ? `${text}…\n(--raw prints all of it)` : text;
}

export async function stats(context: CliContext, flags: StatsFlags): Promise<number> {
  const provider =
    flags.provider === undefined ? undefined : parseProvider(flags.provider, await context.providerNames());
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const found = await engine.deadLetters.stats(provider === undefined ? {} : { provider });
    if (flags.json) printJson(context, found);
    else context.stdout.write(`${statsLines(context, found).join("\n")}\n`);
    return EXIT.done;
  });
}

function statsLines(context: CliContext, found: DeadLetterStats): string[] {
  const style = styleFor(context.stdout, context.env);
  const caps = found.caps.filter(({ entries }) => entries > 0).map((cap) => capLine(style, cap));
  if (found.total === 0) return ["No dead letters."];
  const { dead, replaying, accepted } = found.byState;
  const now = context.now();
  const group = (name: string, counts: Record<string, number>): string[] =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(
        ([key, count], i) =>
          `  ${style.dim((i === 0 ? name : "").padEnd(9))} ${formatCount(count).padStart(7)}  ${key}`,
      );
  const waiting =
    found.waiting === 0
      ? []
      : [
          `  ${formatCount(found.waiting)} bad records of an open run enter the list when their jobs have run`,
        ];
  const head =
    `${style.bold(plural(found.total, "dead letter"))}: ${formatCount(dead)} dead, ${formatCount(replaying)} being replayed, ` +
    `${formatCount(accepted)} accepted; ${formatBytes(found.rawBytes)} of raw bytes`;
  if (found.oldest === null || found.newest === null) return [head, ...waiting];
  return [
    head,
    ...waiting,
    `  oldest failed first ${formatAge(found.oldest, now)}, newest failed last ${formatAge(found.newest, now)}; ` +
      `replayed at most ${found.maxReplays}, in the mean ${found.meanReplays.toFixed(1)} times`,
    ...group("code", found.byCode),
    ...group("class", found.byClass),
    ...group("provider", found.byProvider),
    ...caps,
  ];
}

function capLine(style: Style, cap: DeadLetterCap): string {
  const paint = cap.level === "full" ? style.red : cap.level === "near" ? style.yellow : style.dim;
  return paint(
    `  ${cap.provider} is at ${formatPercent(cap.share)} of its cap: ${formatCount(cap.entries)} of ` +
      `${formatCount(cap.maxEntries)}, ${formatBytes(cap.rawBytes)} of ${formatBytes(cap.maxRawBytes)}`,
  );
}

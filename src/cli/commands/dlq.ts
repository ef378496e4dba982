/** `uee dlq`: lists, shows and counts dead letters; dlqActions.ts replays, accepts and purges them. */
import { isUtf8 } from "node:buffer";
import { printable } from "../../core/printable.ts";
import type {
  DeadLetter,
  DeadLetterCap,
  DeadLetterClass,
  DeadLetterFilter,
  DeadLetterState,
  DeadLetterStats,
  Engine,
} from "../../engine/api.ts";
import { maybeProvider, parseDurationOption, parseLimit } from "../arguments.ts";
import {
  answer,
  command,
  type FlagsOf,
  jsonOption,
  type Look,
  limitOption,
  lookOf,
  withSession,
} from "../command.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exits.ts";
import { printJson } from "../output.ts";
import { renderTable } from "../render/table.ts";
import { formatAge, formatBytes, formatCount, formatPercent, plural, type Style } from "../render/text.ts";

const classes: readonly DeadLetterClass[] = ["exhausted", "permanent", "stalled", "bad-record"];
const states: readonly DeadLetterState[] = ["dead", "replaying", "accepted"];

/** Which dead letters are selected. */
export const filterOptions = {
  "--provider <name>": "only this provider",
  "--code <code>": "only with this error code",
  "--class <class>": { text: "only of this class", choices: classes },
  "--state <state>": { text: "only in this state", choices: states },
  "--older-than <duration>": "only those whose last failure is older, e.g. 24h",
  "--newer-than <duration>": "only those whose last failure is newer, e.g. 2h",
} as const;

export async function parseFilter(
  context: CliContext,
  flags: FlagsOf<typeof filterOptions>,
): Promise<DeadLetterFilter> {
  return {
    provider: await maybeProvider(context, flags.provider),
    code: flags.code?.toUpperCase(),
    class: flags.class as DeadLetterClass | undefined,
    state: flags.state as DeadLetterState | undefined,
    olderThanMs: parseDurationOption(flags.olderThan, "--older-than"),
    newerThanMs: parseDurationOption(flags.newerThan, "--newer-than"),
  };
}

const list = command({
  name: "list",
  description: "Lists dead letters, the newest failures first.",
  options: {
    ...filterOptions,
    ...limitOption(50),
    "--cursor <cursor>": "continue where the last list ended",
    ...jsonOption,
  },
  examples: [
    "uee dlq list",
    "uee dlq list --provider cve --code VAL_RECORD_FIELD --json",
    "uee dlq list --class exhausted --newer-than 24h",
  ],
  async run(context, flags) {
    const filter = await parseFilter(context, flags);
    const { provider } = filter;
    const page = { limit: parseLimit(flags.limit, 50, 10_000), cursor: flags.cursor };
    const ask = async ({ deadLetters }: Engine) => {
      const found = await Promise.all([deadLetters.list(filter, page), deadLetters.stats({ provider })]);
      const [{ letters, cursor }, { total }] = found;
      return { deadLetters: letters, total, cursor };
    };
    await answer(context, flags, ask, ({ deadLetters: letters, total, cursor }, look) => {
      if (total === 0) return ["No dead letters."];
      if (letters.length === 0) return [`None of ${plural(total, "dead letter")} matches.`];
      const shown = `${formatCount(letters.length)} of ${formatCount(total)} shown`;
      const more = cursor === null ? [] : [`${shown}; --cursor ${cursor} goes on.`];
      return [...letterTable(letters, look), ...more];
    });
  },
});

export function letterTable(letters: readonly DeadLetter[], look: Look): string[] {
  const { style, now } = look;
  const paints = { dead: (text: string) => text, replaying: style.yellow, accepted: style.dim };
  return renderTable<DeadLetter>(
    letters,
    [
      { title: "id", value: (one) => one.id, paint: style.bold },
      { title: "provider", value: (one) => one.provider },
      { title: "class", value: (one) => one.class, dropFirst: 3 },
      { title: "code", value: (one) => one.code, paint: style.red },
      { title: "state", value: (one) => one.state, paint: (text, { state }) => paints[state](text) },
      { title: "subject", value: (one) => one.subject, shrinkTo: 14 },
      { title: "replays", align: "right", value: (one) => formatCount(one.replays), dropFirst: 4 },
      { title: "last failed", value: (one) => formatAge(one.lastFailedAt, now), dropFirst: 1 },
      { title: "message", value: (one) => printable(one.message), shrinkTo: 20, dropFirst: 5 },
    ],
    look,
  );
}

const show = command({
  name: "show",
  description: "Shows one dead letter; for a bad record also the bytes that the upstream sent.",
  arguments: { "<id>": "the id that `uee dlq list` prints, or the id of its job" },
  options: { "--raw": "print the raw bytes and nothing else", ...jsonOption },
  examples: ["uee dlq show <id>", "uee dlq show <id> --raw | jq ."],
  async run(context, flags, [id]) {
    return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
      const { letter, raw } = await engine.deadLetters.show(id!);
      const encoding = raw === null ? null : isUtf8(raw) ? "utf8" : "base64";
      if (flags.json) {
        const text = raw?.toString(encoding ?? "utf8") ?? null;
        printJson(context, { deadLetter: letter, raw: text, rawEncoding: encoding });
        return EXIT.done;
      }
      if (flags.raw) {
        if (raw === null) context.stderr.write("This dead letter is a batch: it has no raw bytes.\n");
        else context.stdout.write(raw);
        return raw === null ? EXIT.failed : EXIT.done;
      }
      context.stdout.write(`${letterLines(letter, raw, lookOf(context)).join("\n")}\n`);
      return EXIT.done;
    });
  },
});

function letterLines(letter: DeadLetter, raw: Buffer | null, { style }: Look): string[] {
  const { state, replayRunId, lastAction: last } = letter;
  const why = last?.reason ? `: ${printable(last.reason)}` : "";
  const facts: [string, string][] = [
    ["provider", letter.provider],
    [letter.kind, letter.subject],
    ["error", `${letter.code}: ${printable(letter.message)}`],
    ["class", letter.class],
    ["state", replayRunId === null ? state : `${state}, in run ${replayRunId}`],
    ["run", letter.runId],
    ["batch", letter.batch],
    ["records", formatCount(letter.size)],
    ["job", letter.jobId ?? "none in the failed set"],
    ["attempts", `${formatCount(letter.attempts)}, ${plural(letter.replays, "replay")}`],
    ["failed", `first ${letter.firstFailedAt}, last ${letter.lastFailedAt}`],
    ["last", last === null ? "" : `${last.what} by ${printable(last.actor)} at ${last.at}${why}`],
  ];
  const lines = [
    style.bold(letter.id),
    ...facts
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `  ${style.dim(name.padEnd(9))} ${value}`),
  ];
  if (raw === null) return lines;
  const readable = isUtf8(raw);
  const title = style.dim(`raw, ${formatBytes(raw.length)}${readable ? "" : ", not UTF-8"}:`);
  return [...lines, "", title, preview(raw, readable)];
}

const PREVIEW_BYTES = 4_096;

/** Enough to see the problem; `--raw` prints all bytes. */
function preview(raw: Buffer, readable: boolean): string {
  const text = printable(raw.subarray(0, PREVIEW_BYTES).toString(readable ? "utf8" : "latin1"));
  return raw.length > PREVIEW_BYTES ? `${text}…\n(--raw prints all of it)` : text;
}

const stats = command({
  name: "stats",
  description:
    "Counts dead letters by code, class and provider, and shows how close each provider is to its cap.",
  options: { "--provider <name>": "only this provider", ...jsonOption },
  examples: ["uee dlq stats", "uee dlq stats --json | jq .byCode"],
  async run(context, flags) {
    const provider = await maybeProvider(context, flags.provider);
    await answer(context, flags, (engine) => engine.deadLetters.stats({ provider }), statsLines);
  },
});

export const dlqReads = [list, show, stats];

function statsLines(found: DeadLetterStats, { style, now }: Look): string[] {
  if (found.total === 0) return ["No dead letters."];
  const caps = found.caps.filter(({ entries }) => entries > 0).map((cap) => capLine(style, cap));
  const { dead, replaying, accepted } = found.byState;
  const group = (name: string, counts: Record<string, number>): string[] =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(
        ([key, count], i) =>
          `  ${style.dim((i === 0 ? name : "").padEnd(9))} ${formatCount(count).padStart(7)}  ${key}`,
      );
  const later = `  ${formatCount(found.waiting)} bad records of an open run enter the list when their jobs have run`;
  const waiting = found.waiting === 0 ? [] : [later];
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

/**
 * Mirrors providers, then follows changes: one JSON line per change on stdout, progress on stderr, until Ctrl-C.
 *
 * The cursor of the last processed change is kept in a file: a restart continues after it and misses nothing. Finds
 * the mirror as `uee` does (REDIS_URL, UEE_PREFIX, …).
 *
 *   mirror-and-follow.ts [provider…]      default: all · cursor file: $CURSOR_FILE, default ./changes.cursor
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { type ChangeEntry, connect, isUeeError, type RunProgress, type Uee } from "uee";

const cursorFile = process.env.CURSOR_FILE ?? "changes.cursor";
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Replace this with your own processing: update a search index, send a message. It must be idempotent. */
function handle({ op, urn, fields, cursor }: ChangeEntry): void {
  process.stdout.write(`${JSON.stringify({ op, urn, fields, cursor })}\n`);
}

async function storedCursor(): Promise<string | undefined> {
  try {
    return (await readFile(cursorFile, "utf8")).trim();
  } catch {
    return undefined;
  }
}

/** Written beside it, then renamed: a crash leaves the old cursor or the new one. */
async function storeCursor(cursor: string): Promise<void> {
  await writeFile(`${cursorFile}.new`, cursor);
  await rename(`${cursorFile}.new`, cursorFile);
}

async function mirror(uee: Uee, providers: string[]): Promise<void> {
  const runs = await uee.run(providers.length > 0 ? providers : "all");
  let told = 0;
  const onProgress = ({ provider, fetched, expected, waiting }: RunProgress): void => {
    if (Date.now() - told < 1_000) return;
    told = Date.now();
    say(`${provider}: ${fetched} of ${expected ?? "?"}${waiting ? `, waits: ${waiting.reason}` : ""}`);
  };
  for (const run of await runs.wait({ onProgress, signal: stop.signal })) {
    const { provider, state, created, updated, removed, error } = run;
    say(`${provider}: ${state}, ${created} created, ${updated} updated, ${removed} removed`);
    // `uee status` says more. Committed changes can be followed whatever the result of the run.
    if (error) say(`  ${error.code}: ${error.message}\n  ${error.remedy}`);
  }
}

async function follow(uee: Uee, since: string): Promise<void> {
  let handled = 0;
  for await (const change of uee.changes({ since, follow: true, signal: stop.signal })) {
    handle(change);
    // Saved after processing: a crash in between repeats one change and loses none.
    await storeCursor(change.cursor);
    if (handled++ === 0) say("following");
  }
  say(`stopped; ${handled} changes handled`);
}

await using uee = await connect({ actor: "mirror-and-follow", outageMs: Number.POSITIVE_INFINITY });
try {
  let cursor = await storedCursor();
  if (cursor === undefined) {
    cursor = await uee.cursor();
    await storeCursor(cursor);
  }
  await mirror(uee, process.argv.slice(2));
  await follow(uee, cursor);
} catch (error) {
  if (isUeeError(error, "SYS_INTERRUPTED")) say("stopped; the same command goes on");
  else if (isUeeError(error, "STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID")) {
    say(`${error.detail}\nExport everything again (uee export), delete ${cursorFile}, and start again.`);
    process.exitCode = 1;
  } else if (isUeeError(error)) {
    say(`${error.message}\n${error.remedy}`);
    process.exitCode = 1;
  } else throw error;
}

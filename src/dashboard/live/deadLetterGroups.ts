/** Dead letters as people look through thousands of them: in groups, and by a text. Each request reads a bounded number. */
import type { Engine } from "../../engine/api.ts";
import type { DeadLetter, DeadLetterFilter, DeadLetterPage } from "../../recovery/deadLetters/api.ts";
import type { DeadLetterGroups } from "../api/schemas.ts";

/** The newest of each provider that are looked at; counts are exact all the same. */
const LOOKED_AT = 50;
/** Letters that a search by text reads for one page. */
const SEARCHED = 600;
const AT_ONCE = 200;

type Group = DeadLetterGroups["groups"][number];

export async function groupLetters(engine: Engine, provider: string | undefined): Promise<Group[]> {
  const names = provider === undefined ? engine.providers : [provider];
  const groups = await Promise.all(names.map((name) => groupsOf(engine, name)));
  return groups.flat().sort((a, b) => b.count - a.count);
}

async function groupsOf(engine: Engine, provider: string): Promise<Group[]> {
  const { byCode } = await engine.deadLetters.stats({ provider });
  const codes = Object.entries(byCode).filter(([, count]) => count > 0);
  if (codes.length === 0) return [];
  const { letters } = await engine.deadLetters.list({ provider }, { limit: LOOKED_AT });
  return codes.map(([code, count]): Group => {
    const own = letters.filter((letter) => letter.code === code);
    const times = own.map(({ lastFailedAt }) => lastFailedAt).sort();
    return {
      ...{ provider, code, count, looked: own.length, fields: fieldsIn(own) },
      kinds: [...new Set(own.map(({ kind }) => kind))],
      oldest: own.map(({ firstFailedAt }) => firstFailedAt).sort()[0] ?? null,
      newest: times.at(-1) ?? null,
      example: own[0] ?? null,
    };
  });
}

/** A message names its field in quotes, or after the id: `CVE-2021-1: metrics.0: Invalid input`. */
const fieldIn = (message: string): string | undefined =>
  /['`]([\w.@:-]{1,80})['`]/.exec(message)?.[1] ?? /^[\w-]+: ([\w.@-]{1,80}): /.exec(message)?.[1];

function fieldsIn(letters: readonly DeadLetter[]): Group["fields"] {
  const counts = new Map<string, number>();
  for (const { message, kind } of letters) {
    const field = kind === "record" ? fieldIn(message) : undefined;
    // Places in lists differ from record to record.
    const name = field?.replace(/\.\d+(?=\.|$)/g, "[]");
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([field, count]) => ({ field, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, 10);
}

/** A page may hold fewer letters than asked for: its cursor goes on where the search stopped. */
export async function listWithText(
  engine: Engine,
  filter: DeadLetterFilter,
  text: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<DeadLetterPage> {
  const wanted = text.trim().toLowerCase();
  const found: DeadLetter[] = [];
  let from = cursor;
  // Where most fit, the first read suffices; where few do, later ones are larger.
  let size = limit;
  for (let read = 0; read < SEARCHED; ) {
    const page = await engine.deadLetters.list(filter, { limit: size, cursor: from });
    const fitting = page.letters.filter(({ subject, code, message, runId }) =>
      `${subject} ${code} ${message} ${runId}`.toLowerCase().includes(wanted),
    );
    found.push(...fitting);
    read += size;
    size = Math.min(AT_ONCE, size * 2);
    from = page.cursor ?? undefined;
    if (page.cursor === null || found.length >= limit) break;
  }
  // More than asked for, rather than a cursor that would skip some.
  return { letters: found, cursor: from ?? null };
}

/** Follows what the providers' stores changed. Entries are contiguous: a gap is an error, never passed over. */
import { UeeError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import { formatUrn } from "../core/urn.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import { formatCursor, type Position, type Positions, parseCursor } from "./changeCursor.ts";
import type { ChangeCounts, ChangeEntry, ChangeFeed } from "./contract.ts";

export interface ChangeFeedOptions {
  redis: Pick<RedisConnections, "of">;
  keys: Keys;
  providers: readonly { name: string; authority: string }[];
}

/** What lies in the stream: op, id, fields, time in µs, run. */
interface StoredChange {
  seq: number;
  at: string;
  entry: Omit<ChangeEntry, "cursor">;
}

type RawEntry = [id: string, fields: string[]];

/** A look backwards stops after so many entries of one provider: those that match may be few. */
const MOST_LOOKED_THROUGH = 8_000;
const BACKWARDS_PAGE = 500;

const OPS: Record<string, ChangeEntry["op"]> = { c: "created", u: "updated", r: "removed", s: "summary" };

export function makeChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  const { redis, keys, providers } = options;

  const readProvider = async (
    provider: { name: string; authority: string },
    position: Position | undefined,
    limit: number,
  ): Promise<{ start: Position; changes: StoredChange[] }> => {
    const { changes: stream, meta } = keys.provider(provider.name);
    // The entry at the cursor is read again: it proves that this is still the history the cursor was taken from.
    const from = position && position.seq > 0 ? `${position.seq}-0` : "-";
    const replies = await redis
      .of(stream)
      .multi()
      .xrange(stream, from, "+", "COUNT", limit + 1)
      .hget(meta, "changeSeq")
      .exec();
    const [raw, last] = (replies ?? []).map(([error, reply]) => {
      if (error) throw error;
      return reply;
    }) as [RawEntry[], string | null];
    const changes = raw.map((item) => parseChange(provider, item));
    if (!position) {
      const start = { seq: (changes[0]?.seq ?? Number(last ?? 0) + 1) - 1 };
      return { start, changes: changes.slice(0, limit) };
    }
    const first = changes[0];
    if (position.seq > Number(last ?? 0)) throw replaced(provider.name, position);
    if (first?.seq === position.seq) {
      if (position.at !== undefined && first.at !== position.at) throw replaced(provider.name, position);
      changes.shift();
    } else if (first ? first.seq > position.seq + 1 : Number(last ?? 0) > position.seq) {
      throw new UeeError(
        "STOR_CURSOR_TRIMMED",
        `The change feed of ${provider.name} no longer reaches back to this cursor.`,
        { data: { provider: provider.name, cursor: position.seq, oldest: first?.seq ?? null } },
      );
    }
    return { start: position, changes: changes.slice(0, limit) };
  };

  const newestOf = async (
    provider: { name: string; authority: string },
    limit: number,
    { op, id }: { op?: ChangeEntry["op"]; id?: string },
  ): Promise<{ changes: StoredChange[]; complete: boolean }> => {
    const { changes: stream } = keys.provider(provider.name);
    const changes: StoredChange[] = [];
    const size = op === undefined && id === undefined ? limit + 1 : BACKWARDS_PAGE;
    let before = "+";
    for (let looked = 0; looked < MOST_LOOKED_THROUGH; looked += size) {
      const raw = (await redis.of(stream).xrevrange(stream, before, "-", "COUNT", size)) as RawEntry[];
      for (const item of raw) {
        const change = parseChange(provider, item);
        if (op !== undefined && change.entry.op !== op) continue;
        if (id !== undefined && change.entry.id !== id) continue;
        changes.push(change);
        if (changes.length > limit) return { changes, complete: false };
      }
      const last = raw.at(-1);
      if (raw.length < size || last === undefined) return { changes, complete: true };
      before = `(${last[0]}`;
    }
    return { changes, complete: false };
  };

  return {
    async read(cursor, limit, only) {
      const given: Positions = cursor === undefined ? new Map() : parseCursor(cursor);
      const positions = new Map(given);
      const wanted = only ? providers.filter(({ name }) => only.includes(name)) : providers;
      const queues = await Promise.all(
        wanted.map(async (provider) => {
          const { start, changes } = await readProvider(provider, given.get(provider.name), limit);
          positions.set(provider.name, start);
          return { name: provider.name, changes, next: 0 };
        }),
      );
      const entries: ChangeEntry[] = [];
      while (entries.length < limit) {
        // Oldest first; within a provider the order of its feed holds whatever the clock did.
        let oldest: (typeof queues)[number] | undefined;
        for (const queue of queues) {
          const change = queue.changes[queue.next];
          if (change && (!oldest || Number(change.at) < Number(oldest.changes[oldest.next]!.at)))
            oldest = queue;
        }
        if (!oldest) break;
        const { seq, at, entry } = oldest.changes[oldest.next++]!;
        positions.set(oldest.name, { seq, at });
        entries.push({ cursor: formatCursor(positions), ...entry });
      }
      return { entries, cursor: formatCursor(positions) };
    },

    async newest({ limit, only, op, id }) {
      const wanted = only ? providers.filter(({ name }) => only.includes(name)) : providers;
      const pages = await Promise.all(wanted.map((provider) => newestOf(provider, limit, { op, id })));
      const found = pages.flatMap(({ changes }) => changes).sort((a, b) => Number(b.at) - Number(a.at));
      const complete = found.length <= limit && pages.every((page) => page.complete);
      return {
        complete,
        entries: found.slice(0, limit).map(({ seq, at, entry }) => ({
          cursor: formatCursor(new Map([[entry.provider, { seq, at }]])),
          ...entry,
        })),
      };
    },

    async end() {
      const positions = new Map<string, Position>();
      for (const { name } of providers) {
        const { changes: stream, meta } = keys.provider(name);
        const own = redis.of(stream);
        const [newest] = (await own.xrevrange(stream, "+", "-", "COUNT", 1)) as RawEntry[];
        const seq = newest ? seqOf(newest) : Number((await own.hget(meta, "changeSeq")) ?? 0);
        positions.set(name, newest ? { seq, at: fieldOf(newest, "t") } : { seq });
      }
      return formatCursor(positions);
    },
  };
}

const replaced = (provider: string, { seq }: Position): UeeError =>
  new UeeError(
    "STOR_CURSOR_INVALID",
    `The change feed of ${provider} is not the one this cursor was taken from.`,
    { data: { provider, cursor: seq } },
  );

const seqOf = ([id]: RawEntry): number => Number.parseInt(id, 10);

function fieldOf([id, fields]: RawEntry, name: string): string {
  const at = fields.findIndex((field, i) => i % 2 === 0 && field === name);
  const value = at < 0 ? undefined : fields[at + 1];
  if (value === undefined) throw new UeeError("STOR_CORRUPT", `Change entry ${id} has no field ${name}.`);
  return value;
}

function parseChange(provider: { name: string; authority: string }, raw: RawEntry): StoredChange {
  const id = fieldOf(raw, "i");
  const op = OPS[fieldOf(raw, "o")];
  if (!op) throw new UeeError("STOR_CORRUPT", `Change entry ${raw[0]} has an unknown operation.`);
  const at = fieldOf(raw, "t");
  const fields = fieldOf(raw, "f");
  return {
    seq: seqOf(raw),
    at,
    entry: {
      provider: provider.name,
      urn: formatUrn({ authority: provider.authority, type: provider.name, id }),
      id,
      op,
      fields: op === "summary" || fields === "" ? [] : (JSON.parse(fields) as string[]),
      ...(op === "summary" ? { counts: JSON.parse(fields) as ChangeCounts } : {}),
      at: formatTime(Math.floor(Number(at) / 1000)),
      runId: fieldOf(raw, "r"),
    },
  };
}

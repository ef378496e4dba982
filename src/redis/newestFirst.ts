/** Reads a stream page by page, newest entry first. */
import type { Redis } from "ioredis";

export interface StreamPage<Entry> {
  entries: Entry[];
  /** Pass it as `before` for the next page; null at the oldest entry. */
  next: string | null;
}

export interface PageRequest {
  /** At least 1. */
  limit: number;
  /** Id of the last entry already read. */
  before?: string;
}

/** `[field, value, …]` as an object. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return fields;
}

const streamId = /^\d+(-\d+)?$/;

export async function readNewestFirst<Entry>(
  redis: Redis,
  key: string,
  { limit, before }: PageRequest,
  read: (id: string, fields: Record<string, string>) => Entry,
): Promise<StreamPage<Entry>> {
  if (before !== undefined && !streamId.test(before)) throw new TypeError(`'${before}' is no stream id`);
  const rows = await redis.xrevrange(key, before === undefined ? "+" : `(${before}`, "-", "COUNT", limit + 1);
  const page = rows.slice(0, limit);
  return {
    entries: page.map(([id, flat]) => read(id, fieldsOf(flat))),
    next: rows.length > limit ? page.at(-1)![0] : null,
  };
}

/** `uee sink postgres --verify`: every row compared with the store. */
import type pg from "pg";
import { canonicalJson } from "../../core/json.ts";
import { sha256 } from "../../core/sha256.ts";
import { connect, refused } from "./database.ts";
import type { SinkOptions } from "./sink.ts";

const ROWS_A_PAGE = 2_000;

export interface SinkVerdict {
  checked: number;
  equal: number;
  differ: number;
  missing: number;
  extra: number;
}

/** Compares every row with the store, by the digest of what PostgreSQL gives back. @throws UeeError STOR_POSTGRES */
export async function verifySink({
  engine,
  url,
  signal,
}: Omit<SinkOptions, "follow" | "rebuild" | "logger">): Promise<SinkVerdict> {
  const verdict: SinkVerdict = { checked: 0, equal: 0, differ: 0, missing: 0, extra: 0 };
  let client: pg.Client | undefined;
  try {
    client = await connect(url);
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (const provider of engine.providers) {
      const rows = rowsOf(client, provider);
      let row = await rows.next();
      for await (const { id, data } of engine.records.export(provider, { allowPartial: true, signal })) {
        verdict.checked++;
        while (!row.done && row.value.id < id) {
          verdict.extra++;
          row = await rows.next();
        }
        if (row.done || row.value.id !== id) {
          verdict.missing++;
          continue;
        }
        if (row.value.digest === sha256(canonicalJson(data))) verdict.equal++;
        else verdict.differ++;
        row = await rows.next();
      }
      for (; !row.done; row = await rows.next()) verdict.extra++;
    }
    return verdict;
  } catch (error) {
    throw refused(error);
  } finally {
    await client?.end().catch(() => undefined);
  }
}

async function* rowsOf(client: pg.Client, provider: string): AsyncGenerator<{ id: string; digest: string }> {
  let after = "";
  for (;;) {
    const { rows } = await client.query<{ id: string; text: string }>(
      `SELECT id, coalesce(exact, data::text) AS text FROM uee.record
         WHERE provider = $1 AND removed_at IS NULL AND id > $2 ORDER BY id LIMIT ${ROWS_A_PAGE}`,
      [provider, after],
    );
    for (const { id, text } of rows) yield { id, digest: sha256(canonicalJson(JSON.parse(text))) };
    if (rows.length < ROWS_A_PAGE) return;
    after = rows.at(-1)!.id;
  }
}

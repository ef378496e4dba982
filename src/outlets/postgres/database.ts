/** Sessions with PostgreSQL: connecting, transactions, the schema's migrations, and what its errors mean. */
import pg from "pg";
import { UeeError } from "../../core/errors.ts";
import { mapRedisError } from "../../redis/errors.ts";
import { migrations } from "./schema.ts";

export async function migrate(client: pg.Client): Promise<void> {
  await client.query("CREATE SCHEMA IF NOT EXISTS uee");
  await client.query(
    "CREATE TABLE IF NOT EXISTS uee.migration (number int PRIMARY KEY, at timestamptz NOT NULL)",
  );
  const { rows } = await client.query<{ newest: number | null }>(
    "SELECT max(number) AS newest FROM uee.migration",
  );
  const newest = rows[0]?.newest ?? 0;
  if (newest > migrations.length) {
    const detail = `The schema in PostgreSQL is of version ${newest}; this UEE knows ${migrations.length}.`;
    throw new UeeError("SYS_SCHEMA_NEWER", detail);
  }
  for (let number = newest + 1; number <= migrations.length; number++) {
    await inTransaction(client, async () => {
      await client.query(migrations[number - 1]!);
      await client.query("INSERT INTO uee.migration VALUES ($1, now())", [number]);
    });
  }
}

export async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query("BEGIN");
  try {
    await work();
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: "uee sink",
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  // A session that dies between two queries makes the next query fail.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** PostgreSQL is away, busy, full or stopping, or Redis is: waiting helps. Anything else is wrong until a person acts. */
export function passes(error: unknown): boolean {
  if (error instanceof UeeError) return error.retryable;
  const { code = "" } = error as { code?: string };
  // Those of its socket first: EPIPE looks like an SQLSTATE.
  if (/^(E[A-Z]+$|08|53|57|40|55P03|58)/.test(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return false;
  return /Connection terminated|timeout expired|not queryable/i.test(String(error));
}

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** An error of Redis as UEE's own. PostgreSQL's errors and those of its socket have a code, which Redis' lack. */
export function whoseError(error: unknown): unknown {
  if (error instanceof UeeError || (error as { code?: string }).code !== undefined) return error;
  const mapped = mapRedisError(error);
  return mapped.code.startsWith("SYS_REDIS") ? mapped : error;
}

/** The driver's messages name host and user, never the password. */
export function refused(thrown: unknown): UeeError {
  const error = whoseError(thrown);
  if (error instanceof UeeError) return error;
  return new UeeError("STOR_POSTGRES", `PostgreSQL: ${textOf(error)}`, { cause: error });
}

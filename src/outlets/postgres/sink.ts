/**
 * The mirror in PostgreSQL. The first load copies everything and notes where the change feed was before it; from there on
 * the sink follows the feed, and its cursor moves in the transaction of the changes that it covers: after any crash it goes
 * on where the last commit left it, and what it repeats is the same again.
 *
 * One sink writes at a time: it holds an advisory lock in the session in which it writes. Another one waits for it.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { isUeeError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Engine } from "../../engine/api.ts";
import type { ChangeEntry } from "../../records/contract.ts";
import { connect, inTransaction, migrate, passes, refused, textOf, whoseError } from "./database.ts";
import { COLUMNS, copyLine, type Row, rowOf } from "./rows.ts";

/** Key of the advisory lock: "uee sink". */
const LOCK = 7_310_575_174_620_310;
const FOLLOW_MS = 500;
/** Changes in one transaction. */
const CHANGES_AT_ONCE = 500;
const RECORDS_AT_ONCE = 64;
const BACK_OFF_MS = { first: 250, most: 15_000 };
/** How long a command that does not follow tries to reach PostgreSQL, ms. */
const PATIENCE_MS = 120_000;

export interface SinkOptions {
  engine: Engine;
  /** UEE_POSTGRES_URL */
  url: string;
  logger: Logger;
  signal: AbortSignal;
  /** Goes on until the signal fires. */
  follow: boolean;
  /** Loads everything again first; readers see the old content until then. */
  rebuild: boolean;
}

export interface SinkState {
  /** It has the session in which it writes. */
  connected: boolean;
  /** Everything is loaded, and the last look at the feed found nothing more. */
  current: boolean;
  /** ms since the epoch of the last commit or look that found nothing. */
  currentAt: number;
  /** Changes applied since the start. */
  changes: number;
  /** Why it waits; null while all is well. */
  trouble: string | null;
}

export class PostgresSink {
  readonly state: SinkState = { connected: false, current: false, currentAt: 0, changes: 0, trouble: null };
  readonly #options: SinkOptions;
  #rebuild: boolean;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#rebuild = options.rebuild;
  }

  /** Loads and follows. @throws UeeError STOR_POSTGRES */
  async run(): Promise<void> {
    const { signal, follow, logger } = this.#options;
    let failing: { since: number; waitMs: number } | undefined;
    while (!signal.aborted) {
      let client: pg.Client | undefined;
      try {
        client = await connect(this.#options.url);
        if (!(await this.#lock(client))) return;
        await migrate(client);
        this.state.connected = true;
        if (this.#rebuild || (await readCursor(client)) === null) await this.#load(client);
        for (;;) {
          const applied = await this.#applyNext(client);
          failing = undefined;
          this.state.trouble = null;
          if (applied > 0) continue;
          Object.assign(this.state, { current: true, currentAt: Date.now() });
          if (!follow) return;
          await sleep(FOLLOW_MS, undefined, { signal });
        }
      } catch (thrown) {
        if (signal.aborted) return;
        const error = whoseError(thrown);
        this.state.current = false;
        if (isUeeError(error, "STOR_CURSOR_TRIMMED", "STOR_CURSOR_INVALID")) {
          logger.warn(
            { event: "sink_rebuild", code: error.code },
            `${error.detail} Everything is loaded again.`,
          );
          this.#rebuild = true;
          continue;
        }
        if (!passes(error)) throw refused(error);
        failing ??= { since: Date.now(), waitMs: BACK_OFF_MS.first };
        this.state.trouble = textOf(error);
        if (!follow && Date.now() - failing.since > PATIENCE_MS) throw refused(error);
        logger.warn({ event: "sink_waits", err: error }, `the sink waits: ${textOf(error)}`);
        await sleep(failing.waitMs, undefined, { signal }).catch(() => undefined);
        failing.waitMs = Math.min(BACK_OFF_MS.most, failing.waitMs * 2);
      } finally {
        this.state.connected = false;
        await client?.end().catch(() => undefined);
      }
    }
  }

  /** False where the signal fired first. */
  async #lock(client: pg.Client): Promise<boolean> {
    const { signal, logger } = this.#options;
    for (let told = false; ; told = true) {
      const { rows } = await client.query("SELECT pg_try_advisory_lock($1) AS locked", [LOCK]);
      if ((rows[0] as { locked: boolean }).locked) return true;
      if (!told)
        logger.warn({ event: "sink_locked" }, "another sink writes to this database; waiting for it");
      this.state.trouble = "another sink writes to this database";
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return false;
    }
  }

  /** Everything, in one transaction: readers see the content before it, and then the new one. */
  async #load(client: pg.Client): Promise<void> {
    const { engine, logger } = this.#options;
    const started = performance.now();
    const cursor = await engine.records.changesEnd();
    await inTransaction(client, async () => {
      let rows = 0;
      for (const provider of engine.providers) rows += await this.#loadProvider(client, provider);
      await moveCursor(client, cursor, true);
      logger.info({ event: "sink_loaded", rows }, `${rows} records loaded`);
    });
    this.#rebuild = false;
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    logger.info({ event: "sink_load_took", seconds: Number(seconds) }, `the load took ${seconds} s`);
  }

  /** Replaces a provider's rows by the store's records; to be called in a transaction. Returns their number. */
  async #loadProvider(client: pg.Client, provider: string): Promise<number> {
    const { engine, signal } = this.#options;
    const columns = COLUMNS.join(", ");
    const { rows } = await client.query("SELECT 1 FROM uee.record WHERE provider = $1 LIMIT 1", [provider]);
    const empty = rows.length === 0;
    const target = empty ? "uee.record" : "pg_temp.staged";
    if (!empty) {
      await client.query("CREATE TEMP TABLE staged (LIKE uee.record INCLUDING DEFAULTS) ON COMMIT DROP");
    }
    const copy = client.query(copyFrom(`COPY ${target} (${columns}) FROM STDIN`));
    const failed = once(copy, "error").then(([error]) => {
      throw error;
    });
    failed.catch(() => undefined);
    let count = 0;
    let text = "";
    const flush = async (): Promise<void> => {
      const more = copy.write(text);
      text = "";
      if (!more) await Promise.race([once(copy, "drain"), failed]);
    };
    try {
      for await (const record of engine.records.export(provider, { allowPartial: true, signal })) {
        text += copyLine(rowOf(record));
        count++;
        if (text.length > 256 * 1024) await flush();
      }
      if (text !== "") await flush();
    } catch (error) {
      copy.destroy();
      throw error;
    }
    const finished = once(copy, "finish");
    copy.end();
    await Promise.race([finished, failed]);
    if (!empty) {
      await client.query(`${insertInto(columns)} SELECT ${columns} FROM staged ${onConflict}`);
      await client.query(
        `UPDATE uee.record r SET removed_at = now() WHERE provider = $1 AND removed_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM staged s WHERE s.id = r.id)`,
        [provider],
      );
      await client.query("DROP TABLE staged");
    }
    return count;
  }

  /** Applies the next changes and moves the cursor with them, in one transaction. Returns how many there were. */
  async #applyNext(client: pg.Client): Promise<number> {
    const { engine } = this.#options;
    const since = (await readCursor(client))!;
    const changes: ChangeEntry[] = [];
    for await (const change of engine.records.changes({ since })) {
      changes.push(change);
      if (changes.length >= CHANGES_AT_ONCE) break;
    }
    const last = changes.at(-1);
    if (!last) return 0;
    const at = new Map<string, { provider: string; id: string; at: string }>();
    const whole = new Set<string>();
    for (const change of changes) {
      // A summary names no single record: the provider's records are compared with the rows.
      if (change.op === "summary") whole.add(change.provider);
      else at.set(`${change.provider} ${change.id}`, change);
    }
    const upserts: Row[] = [];
    const removals: { provider: string; id: string; at: string }[] = [];
    const named = [...at.values()];
    for (let first = 0; first < named.length; first += RECORDS_AT_ONCE) {
      const some = named.slice(first, first + RECORDS_AT_ONCE);
      const found = await Promise.all(some.map(({ provider, id }) => engine.records.get(id, { provider })));
      some.forEach((one, i) => {
        const now = found[i];
        if (now && "record" in now) upserts.push(rowOf(now.record));
        else removals.push({ ...one, at: now?.removed.removedAt ?? one.at });
      });
    }
    await inTransaction(client, async () => {
      if (upserts.length > 0) await upsert(client, upserts);
      if (removals.length > 0) await remove(client, removals);
      for (const provider of whole) await this.#loadProvider(client, provider);
      await moveCursor(client, last.cursor, false);
    });
    this.state.changes += changes.length;
    return changes.length;
  }
}

const insertInto = (columns: string): string => `INSERT INTO uee.record (${columns})`;
const onConflict = `ON CONFLICT (provider, id) DO UPDATE SET
  urn = excluded.urn, last_modified = excluded.last_modified, first_seen = excluded.first_seen,
  last_changed = excluded.last_changed, removed_at = NULL, digest = excluded.digest, data = excluded.data,
  exact = excluded.exact
  WHERE uee.record.digest <> excluded.digest OR uee.record.removed_at IS NOT NULL
    OR uee.record.last_changed <> excluded.last_changed OR uee.record.first_seen <> excluded.first_seen
    OR uee.record.data <> excluded.data OR uee.record.exact IS DISTINCT FROM excluded.exact`;

async function upsert(client: pg.Client, rows: readonly Row[]): Promise<void> {
  const values = COLUMNS.map((name) => rows.map((row) => row[name]));
  const casts: Partial<Record<keyof Row, string>> = {
    last_modified: "::timestamptz",
    first_seen: "::timestamptz",
    last_changed: "::timestamptz",
    data: "::jsonb",
  };
  const selected = COLUMNS.map((name) =>
    name === "digest" ? "decode(digest, 'hex')" : `${name}${casts[name] ?? ""}`,
  );
  const arrays = COLUMNS.map((_, i) => `$${i + 1}::text[]`).join(", ");
  const columns = COLUMNS.join(", ");
  await client.query(
    `${insertInto(columns)} SELECT ${selected.join(", ")} FROM unnest(${arrays}) AS t(${columns}) ${onConflict}`,
    values,
  );
}

async function remove(
  client: pg.Client,
  gone: readonly { provider: string; id: string; at: string }[],
): Promise<void> {
  await client.query(
    `UPDATE uee.record r SET removed_at = t.at::timestamptz
       FROM unnest($1::text[], $2::text[], $3::text[]) AS t(provider, id, at)
       WHERE r.provider = t.provider AND r.id = t.id AND r.removed_at IS NULL`,
    [gone.map(({ provider }) => provider), gone.map(({ id }) => id), gone.map(({ at }) => at)],
  );
}

async function readCursor(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ cursor: string | null }>("SELECT cursor FROM uee.sink");
  return rows[0]?.cursor ?? null;
}

const moveCursor = (client: pg.Client, cursor: string, loaded: boolean): Promise<unknown> =>
  client.query(
    `UPDATE uee.sink SET cursor = $1, moved_at = now(), loaded_at = ${loaded ? "now()" : "loaded_at"}`,
    [cursor],
  );

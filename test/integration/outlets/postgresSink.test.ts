/** The mirror in PostgreSQL: a real server, a real mirror that real runs load and change, and what SQL sees of it. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { silentLogger } from "../../../src/core/logger.ts";
import { PostgresSink, type SinkOptions } from "../../../src/outlets/postgres/sink.ts";
import { verifySink } from "../../../src/outlets/postgres/verify.ts";
import { type Simulator, startSimulator, upstreamNames } from "../../../src/simulator/index.ts";
import { hasPostgres, startPostgres, type TestPostgres } from "../../support/postgresServer.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";

(hasPostgres ? describe : describe.skip)("the PostgreSQL sink", () => {
  let redis: TestRedis;
  let simulator: Simulator;
  let uee: TestEngine;
  let postgres: TestPostgres;

  beforeAll(async () => {
    [redis, simulator, postgres] = await Promise.all([
      startRedis({}),
      startSimulator({ cves: 400, cwes: 40, capecs: 30, attackObjects: 200 }),
      startPostgres(),
    ]);
    uee = await openTestEngine(redis.url, {
      providers: Object.fromEntries(
        upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
      ),
    });
    for (const name of upstreamNames) await uee.run(name, "full");
  });
  afterAll(async () => {
    await uee?.close();
    await Promise.all([redis?.stop(), simulator?.close(), postgres?.stop()]);
  });

  const options = (over: Partial<SinkOptions> = {}): SinkOptions => ({
    ...{
      engine: uee.engine,
      url: postgres.url,
      logger: silentLogger(),
      signal: new AbortController().signal,
    },
    ...{ follow: false, rebuild: false, ...over },
  });
  const load = (over: Partial<SinkOptions> = {}) => new PostgresSink(options(over)).run();
  const verdict = () => verifySink(options());
  const records = async () => {
    let count = 0;
    for (const name of upstreamNames) count += (await exported(uee.engine, name)).size;
    return count;
  };
  /** Starts a sink that follows; returns it with its end. */
  const follow = (over: Partial<SinkOptions> = {}) => {
    const stopped = new AbortController();
    const sink = new PostgresSink(options({ follow: true, signal: stopped.signal, ...over }));
    const running = sink.run();
    return {
      sink,
      async stop() {
        stopped.abort();
        await running;
      },
    };
  };

  test("the first load holds every record of every provider, equal to the mirror", async () => {
    await load();
    const all = await records();
    expect(await verdict()).toEqual({ checked: all, equal: all, differ: 0, missing: 0, extra: 0 });
    const rows = await postgres.query<{ provider: string; n: string }>(
      "SELECT provider, count(*) AS n FROM uee.record GROUP BY 1 ORDER BY 1",
    );
    expect(rows.map(({ provider }) => provider)).toEqual([...upstreamNames].sort());
  });

  test("--verify names rows that were altered, lost or added", async () => {
    await postgres.query(`UPDATE uee.record SET data = data || '{"vulnStatus":"Altered"}'
      WHERE (provider, id) = (SELECT provider, id FROM uee.record WHERE provider = 'cve' ORDER BY id LIMIT 1)`);
    await postgres.query(
      "DELETE FROM uee.record WHERE id = (SELECT max(id) FROM uee.record WHERE provider = 'cwe')",
    );
    await postgres.query(`INSERT INTO uee.record (provider, id, urn, first_seen, last_changed, digest, data)
      VALUES ('cve', 'CVE-1990-0001', 'urn', now(), now(), '', '{}')`);
    expect(await verdict()).toMatchObject({ differ: 1, missing: 1, extra: 1 });
    await load({ rebuild: true });
    expect(await verdict()).toMatchObject({ differ: 0, missing: 0, extra: 0 });
  });

  test("views answer what people ask, and each column has a comment", async () => {
    const [cve] = await postgres.query<Record<string, unknown>>(
      "SELECT * FROM uee.cve WHERE severity IS NOT NULL LIMIT 1",
    );
    expect(cve).toMatchObject({ id: expect.stringMatching(/^CVE-/), cwes: expect.any(Array) });
    for (const view of [
      "cve_cwe",
      "cve_reference",
      "cpe_match",
      "kev",
      "epss",
      "cwe",
      "capec",
      "attack_technique",
    ]) {
      expect(await postgres.query(`SELECT * FROM uee.${view} LIMIT 1`)).toHaveLength(1);
    }
    const bare = await postgres.query(`SELECT c.relname, a.attname FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE n.nspname = 'uee' AND c.relkind IN ('v', 'r') AND c.relname <> 'migration' AND a.attnum > 0
        AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL`);
    expect(bare).toEqual([]);
  });

  test("the questions of the examples have answers", async () => {
    const text = await readFile(new URL("../../../examples/questions.sql", import.meta.url), "utf8");
    const questions = text.split(/;\s*$/m).filter((one) => one.trim() !== "");
    expect(questions).toHaveLength(10);
    const answers = [];
    for (const question of questions) answers.push((await postgres.query(question)).length);
    expect(answers.filter((rows) => rows > 0).length).toBeGreaterThan(5);
  });

  test("changes and removals arrive, those of a feed of summaries too; the cursor moves with them", async () => {
    simulator.mutate({ provider: "cve", add: 3, modify: 20, remove: 4 });
    simulator.mutate({ provider: "epss", modify: 30 });
    await uee.run("cve", "full", { allowShrink: true });
    await uee.run("epss", "full");
    await load();
    expect(await verdict()).toMatchObject({ checked: await records(), differ: 0, missing: 0, extra: 0 });
    const [gone] = await postgres.query<{ n: string }>(
      "SELECT count(*) AS n FROM uee.record WHERE removed_at IS NOT NULL",
    );
    expect(Number(gone!.n)).toBeGreaterThanOrEqual(4);
    const [{ cursor }] = (await postgres.query<{ cursor: string }>("SELECT cursor FROM uee.sink")) as [
      { cursor: string },
    ];
    expect(cursor).toBe(await uee.engine.records.changesEnd());
  });

  test("a record that jsonb cannot hold exactly comes back exactly", async () => {
    const odd = { text: "a\u0000b\ud800c \\u0000", minus: -0, big: 1e308 };
    const { rowOf } = await import("../../../src/outlets/postgres/rows.ts");
    const row = rowOf({
      ...{ urn: "u", provider: "cve", id: "X", data: odd },
      ...{ firstSeen: "2026-01-01T00:00:00.000Z", lastChanged: "2026-01-01T00:00:00.000Z" },
    });
    expect(JSON.parse(row.exact!)).toEqual(odd);
    const [{ text }] = (await postgres.query<{ text: string }>(
      `SELECT $$${row.data}$$::jsonb->>'text' AS text`,
    )) as [{ text: string }];
    expect(text).toBe("a\ufffdb\ufffdc \\u0000");
  });

  test.each([
    ["2026-01-02T03:04:05.678901234+02:00", "2026-01-02T01:04:05.678Z"],
    ["9999-12-31T23:59:59", "9999-12-31T23:59:59.000Z"],
    ...["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "+275760-09-13T00:00:00Z", "soon"].map(
      (text) => [text, null] as const,
    ),
  ])("a record modified at %s loads, with the time %s", async (modified, expected) => {
    const { rowOf } = await import("../../../src/outlets/postgres/rows.ts");
    const row = rowOf({
      ...{ urn: "u", provider: "attack", id: "X", data: { modified } },
      ...{ firstSeen: "2026-01-01T00:00:00.000Z", lastChanged: "2026-01-01T00:00:00.000Z" },
    });
    const text = row.last_modified === null ? "NULL" : `'${row.last_modified}'`;
    const [found] = await postgres.query<{ at: Date | null }>(`SELECT ${text}::timestamptz AS at`);
    expect(found?.at?.toISOString() ?? null).toBe(expected);
  });

  test.each(["EPIPE", "ECONNRESET", "57P01"])(
    "a session that ends with %s is no reason to end",
    async (code) => {
      const { query } = pg.Client.prototype;
      let left = 4;
      pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
        if (--left === 0) return Promise.reject(Object.assign(new Error(`write ${code}`), { code }));
        return Reflect.apply(query, this, args);
      } as typeof query;
      try {
        await load();
      } finally {
        pg.Client.prototype.query = query;
      }
      expect(left).toBeLessThan(0);
      expect(await verdict()).toMatchObject({ differ: 0, missing: 0, extra: 0 });
    },
  );

  test("a sink that follows outlasts the kill of PostgreSQL and loses nothing", async () => {
    const following = follow();
    await until(() => following.sink.state.current);
    await postgres.kill();
    simulator.mutate({ provider: "cve", add: 5, modify: 10 });
    await uee.run("cve", "incremental");
    await until(() => following.sink.state.trouble !== null);
    await postgres.start();
    await until(async () => {
      if (!following.sink.state.current) return false;
      const found = await verdict();
      return found.differ + found.missing + found.extra === 0;
    });
    await following.stop();
  });

  test("two sinks do no harm: the second waits and takes over", async () => {
    const first = follow();
    await until(() => first.sink.state.current);
    const second = follow();
    await until(() => second.sink.state.trouble?.includes("another sink") ?? false);
    expect(second.sink.state.current).toBe(false);
    await first.stop();
    await until(() => second.sink.state.current);
    await second.stop();
  });

  test("a cursor that was trimmed makes a rebuild, and readers never see an empty table", async () => {
    const seq = (await postgres.query<{ cursor: string }>("SELECT cursor FROM uee.sink"))[0]!.cursor;
    await postgres.query("UPDATE uee.sink SET cursor = 'nonsense'");
    const following = follow();
    let fewest = Number.POSITIVE_INFINITY;
    await until(async () => {
      const [row] = await postgres.query<{ n: string }>("SELECT count(*) AS n FROM uee.cve");
      fewest = Math.min(fewest, Number(row!.n));
      return following.sink.state.current;
    });
    await following.stop();
    expect(fewest).toBe((await exported(uee.engine, "cve")).size);
    expect((await postgres.query<{ cursor: string }>("SELECT cursor FROM uee.sink"))[0]!.cursor).toBe(seq);
  });

  test("a refused login is told at once, without the password", async () => {
    const url = "postgres://someone:s3cret@/none?host=%2Fno%2Fsuch%2Fsocket";
    const bad = new PostgresSink(options({ url: postgres.url.replace("/postgres?", "/missing?") }));
    await expect(bad.run()).rejects.toMatchObject({ code: "STOR_POSTGRES" });
    await expect(verifySink(options({ url }))).rejects.toMatchObject({
      message: expect.not.stringContaining("s3cret"),
    });
  });
});

/**
 * `uee sink postgres` is killed at points all over its work, and PostgreSQL and Redis are killed beside it: the rows equal the
 * mirror afterwards, every time.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { silentLogger } from "../../src/core/logger.ts";
import { PostgresSink } from "../../src/outlets/postgres/sink.ts";
import { verifySink } from "../../src/outlets/postgres/verify.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startKillableOutlet } from "../support/killableOutlet.ts";
import { hasPostgres, startPostgres, type TestPostgres } from "../support/postgresServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine, testSettings } from "../support/testEngine.ts";

const providers = ["cve", "kev", "epss"] as const;

(hasPostgres ? describe : describe.skip)("the PostgreSQL sink", () => {
  let redis: TestRedis;
  let simulator: Simulator;
  let uee: TestEngine;
  let postgres: TestPostgres;
  const settings = () =>
    testSettings({
      providers: Object.fromEntries(
        providers.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
      ),
    });

  beforeAll(async () => {
    [redis, simulator, postgres] = await Promise.all([
      startRedis({ appendonly: true }),
      startSimulator({ cves: 300 }),
      startPostgres(),
    ]);
    uee = await openTestEngine(redis.url, settings());
    for (const name of providers) await uee.run(name, "full");
  });
  afterAll(async () => {
    await uee?.close();
    await Promise.all([redis?.stop(), simulator?.close(), postgres?.stop()]);
  });

  const { signal } = new AbortController();
  const runSink = (rebuild: boolean) =>
    new PostgresSink({
      ...{ engine: uee.engine, url: postgres.url, logger: silentLogger(), signal },
      ...{ follow: false, rebuild },
    }).run();
  const wrong = async (): Promise<number> => {
    const { checked, equal, extra } = await verifySink({ engine: uee.engine, url: postgres.url, signal });
    return checked - equal + extra;
  };

  async function moveOn(): Promise<void> {
    simulator.mutate({ provider: "cve", add: 1, modify: 10, remove: 1 });
    await uee.run("cve", "full", { allowShrink: true });
  }

  // A first load has about 30 steps, one of changes about 10, a rebuild about 30.
  const points = [
    ...[2, 5, 9, 14, 18, 22, 26, 30].map((nth) => ({ work: "first load", nth })),
    ...[2, 6, 7, 8, 9, 10].map((nth) => ({ work: "changes", nth })),
    ...[8, 12, 16, 20, 24, 28].map((nth) => ({ work: "rebuild", nth })),
  ];

  test(`killed at ${points.length} points, it ends equal to the mirror when it is started again`, async () => {
    const start = (point: number) =>
      startKillableOutlet({
        ...{ outlet: "sink", url: redis.url, settings: settings(), postgres: postgres.url },
        rebuild: points[point]!.work === "rebuild",
        ...{ nth: points[point]!.nth, phase: point % 2 === 0 ? "before" : "after" },
      });
    let next = start(0);
    for (let point = 0; point < points.length; point++) {
      const { work, nth } = points[point]!;
      const child = next;
      if (work === "first load") await postgres.query("DROP SCHEMA IF EXISTS uee CASCADE");
      else await moveOn();
      await child.go();
      // The next one starts meanwhile: starting takes longer than everything else.
      if (point + 1 < points.length) next = start(point + 1);
      expect({ work, nth, signal: await child.ended }).toEqual({ work, nth, signal: "SIGKILL" });
      await runSink(false);
      expect({ work, nth, wrong: await wrong() }).toEqual({ work, nth, wrong: 0 });
    }
  });

  test.each(["PostgreSQL", "Redis"] as const)(
    "while %s is killed at ten points it waits, and ends equal",
    async (victim) => {
      const [{ cursor }] = (await postgres.query<{ cursor: string }>("SELECT cursor FROM uee.sink")) as [
        { cursor: string },
      ];
      await moveOn();
      const { query } = pg.Client.prototype;
      let left = 0;
      let killed: Promise<void> | undefined;
      // The sink's own queries are the steps that are counted.
      pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
        if (--left === 0) {
          killed = victim === "Redis" ? redis.restart() : postgres.kill().then(() => postgres.start());
        }
        return Reflect.apply(query, this, args);
      } as typeof query;
      try {
        for (const nth of [2, 5, 6, 7, 8, 9, 10, 11, 14, 17]) {
          // The last changes once more, or everything.
          const rebuild = nth > 8;
          await postgres.query(`UPDATE uee.sink SET cursor = '${cursor}'`);
          killed = undefined;
          left = nth;
          await runSink(rebuild);
          left = 0;
          expect(killed).toBeDefined();
          await killed;
          expect({ nth, wrong: await wrong() }).toEqual({ nth, wrong: 0 });
        }
      } finally {
        pg.Client.prototype.query = query;
      }
    },
  );
});

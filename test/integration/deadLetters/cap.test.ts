/** Law 5: at its cap a provider pauses and says why; no dead letter is ever dropped. */
import { Writable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { makeLogger } from "../../../src/core/logger.ts";
import type { EngineSettings } from "../../../src/engine.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;
let lines: Record<string, unknown>[];

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
afterEach(() => mirror.close());

async function start(settings: Partial<EngineSettings>): Promise<void> {
  lines = [];
  const logger = makeLogger({
    level: "warn",
    destination: new Writable({
      write(chunk: Buffer, _encoding, done) {
        for (const text of chunk.toString().trim().split("\n")) lines.push(JSON.parse(text));
        done();
      },
    }),
  });
  mirror = await startMirror(redis, { records: 100, settings, more: { logger } });
}

const provider = async () => (await mirror.uee.engine.status()).providers[0]!;
const warned = () => lines.filter(({ event }) => event === "dead_letters_near_cap");

describe("a provider whose dead letters reach their cap", () => {
  test("warns at 90 %, pauses at the cap, drops none, and goes on when a person made room", async () => {
    await start({ deadLetterLimit: 10 });
    for (let i = 0; i < 8; i++) mirror.spoil(i);
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "incomplete", deadLettered: 8 });
    expect(warned()).toEqual([]);
    expect((await provider()).deadLetters).toMatchObject({ entries: 8, maxEntries: 10, level: "ok" });
    mirror.spoil(8);
    await mirror.uee.run("cve", "full");
    expect(warned()).toHaveLength(1);
    expect((await provider()).deadLetters).toMatchObject({ entries: 9, share: 0.9, level: "near" });

    for (let i = 9; i < 14; i++) mirror.spoil(i);
    const paused = await mirror.uee.run("cve", "full");
    expect(paused).toMatchObject({ state: "paused", error: { code: "PROV_DLQ_FULL" } });
    expect((await provider()).machine).toMatchObject({ state: "PAUSED" });
    expect((await provider()).machine.reason).toMatch(/^PROV_DLQ_FULL: 1\d dead letters \(of 10\)/);
    expect((await provider()).deadLetters.level).toBe("full");
    await expect(mirror.uee.engine.openRun({ provider: "cve", mode: "full" })).rejects.toMatchObject({
      code: "PROV_PAUSED",
    });
    // What was set aside and not yet tried waits behind the pause; none is lost.
    const { entries } = (await provider()).deadLetters;
    expect((await mirror.letters.purge({ newerThanMs: 3_600_000 }, { limit: 6 })).done).toBe(6);
    await mirror.uee.engine.resume("cve");
    const run = await mirror.see(paused.runId);
    expect(run).toMatchObject({ deadLettered: 14 });
    expect(await mirror.letters.count()).toBe(14 - 6);
    expect(entries).toBeGreaterThanOrEqual(10);
  });

  test("counts raw bytes too, and no accepted ones", async () => {
    await start({ deadLetterBytes: 600 });
    mirror.spoil(0, "x".repeat(300));
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "incomplete" });
    const { rawBytes } = (await mirror.all())[0]!;
    expect(rawBytes).toBeGreaterThan(300);
    await mirror.letters.accept({});
    expect((await provider()).deadLetters).toMatchObject({ entries: 0, rawBytes: 0, level: "ok" });
    mirror.spoil(1, "x".repeat(300));
    expect(await mirror.uee.run("cve", "full")).toMatchObject({ state: "incomplete" });
    mirror.spoil(2, "x".repeat(300));
    expect(await mirror.uee.run("cve", "full")).toMatchObject({
      state: "paused",
      error: { code: "PROV_DLQ_FULL" },
    });
    expect((await mirror.letters.stats()).rawBytes).toBe(3 * rawBytes);
  });

  test("is paused once, by the next process that checks, when the one that filled them died", async () => {
    await start({ deadLetterLimit: 2 });
    mirror.spoil(0);
    await mirror.uee.run("cve");
    // A process that died between marking the job dead and pausing leaves this.
    await redis.client().hset("{uee:cve}:letters:counts", "fullDue", "1");
    const worker = await mirror.uee.engine.startWorker();
    expect((await provider()).machine).toMatchObject({ state: "PAUSED" });
    await mirror.uee.engine.resume("cve");
    await worker.stop();
    const again = await mirror.uee.engine.startWorker();
    expect((await provider()).machine.state).not.toBe("PAUSED");
    await again.stop();
  });
});

/** What replaying means: of a batch, of a record; in a run that is open, and when its run is closed. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported } from "../../support/testEngine.ts";
import { type Mirror, startMirror } from "./support.ts";

let redis: TestRedis;
let mirror: Mirror;

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  mirror = await startMirror(redis, { records: 6000 });
});
afterEach(() => mirror.close());

describe("a batch whose run is closed", () => {
  test("is fetched again in a replay run, which loads it and verifies nothing", async () => {
    mirror.spoiled.add(2000);
    const run = await mirror.uee.run("cve");
    expect(run).toMatchObject({ state: "incomplete", deadLettered: 1, error: { code: "PROV_BATCH_DEAD" } });
    const [letter] = await mirror.all();
    expect(letter).toMatchObject({
      ...{ kind: "batch", class: "exhausted", state: "dead", code: "PROV_HTML", runId: run.runId },
      ...{ batch: "p1/all/0002000", size: 2000, attempts: 8, replays: 0, rawBytes: 0 },
    });
    mirror.spoiled.clear();
    mirror.listing.requests.length = 0;
    const report = await mirror.letters.replay({ ids: [letter!.id] }, { actor: "ann", reason: "mended" });
    expect(report).toMatchObject({
      matched: 1,
      done: 1,
      runs: [{ provider: "cve", letters: 1, waitingFor: null }],
    });
    expect(await mirror.all()).toMatchObject([
      { state: "replaying", replays: 1, jobId: null, lastAction: { actor: "ann" } },
    ]);
    const ended = await mirror.see(report.runs[0]!.runId);
    expect(ended).toMatchObject({
      kind: "replay",
      state: "complete",
      created: 2000,
      requests: 1,
      error: null,
    });
    expect(mirror.listing.requests).toHaveLength(1);
    expect(await mirror.all()).toEqual([]);
    expect((await exported(mirror.uee.engine, "cve")).size).toBe(6000);
    const { providers } = await mirror.uee.engine.status();
    expect(providers[0]).toMatchObject({ verified: false, watermark: null, lastRun: { runId: run.runId } });
    expect(await mirror.uee.run("cve")).toMatchObject({ state: "complete", unchanged: 6000 });
  });
});

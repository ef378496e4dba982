/** Editions of a snapshot: a run says "complete" only where the store equals what is served, and no older edition wins. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { UeeError } from "../../src/core/errors.ts";
import type { RunProgress } from "../../src/engine/api.ts";
import type { EngineSettings, OpenEngineOptions } from "../../src/engine.ts";
import type { AnyProvider } from "../../src/providers/contract.ts";
import { cwe } from "../../src/providers/cwe/cwe.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type CatalogueServer, contentOf, entriesOf, startCatalogue } from "../support/catalogueServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const A = { version: "4.17", date: "2025-04-03", entries: entriesOf(60, "A") };
const B = { version: "4.18", date: "2025-09-09", entries: { ...entriesOf(61, "B") } };

let redis: TestRedis;
let upstream: CatalogueServer;
let uee: TestEngine;
/** Fails slices of these numbers, for good. */
const broken = new Set<number>();
/** Called when a step of a batch begins or ends. */
let onStep: (step: string, phase: string) => void = () => undefined;

const flawed: AnyProvider = {
  ...cwe,
  extract: (...[payload, context]: Parameters<typeof cwe.extract>) => {
    if (payload.kind === "slice" && broken.has(Number(payload.name.slice(0, 4)))) {
      throw new UeeError("STOR_CORRUPT", `${payload.name} cannot be read`);
    }
    return cwe.extract(payload, context);
  },
};

const open = (settings: Partial<EngineSettings> = {}, more: Partial<OpenEngineOptions> = {}) =>
  openTestEngine(
    redis.url,
    { errorRate: 1, providers: { cwe: { url: upstream.url, rate: "unlimited" } }, ...settings },
    { providers: [flawed], onStep: (step, phase) => onStep(step, phase), ...more },
  );

beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.client().flushall();
  upstream = await startCatalogue(A);
  uee = await open();
});
afterEach(async () => {
  broken.clear();
  onStep = () => undefined;
  await uee.close();
  await upstream.close();
});

const stored = () => exported(uee.engine, "cwe");
const status = async () => (await uee.engine.status()).providers[0]!;
const meta = () => redis.client().hgetall(makeKeys("uee").provider("cwe").meta);

/** Whatever a run ended with: complete means that the store is what is served now. */
async function expectTrue(run: RunProgress): Promise<void> {
  expect(run.state).toBe("complete");
  expect(await stored()).toEqual(contentOf(upstream.served));
}

describe("an edition that the upstream takes back", () => {
  beforeEach(async () => {
    await expectTrue(await uee.run("cwe"));
  });

  test.each([
    ["that had a bad record", { ...B, bad: [7] }, "PROV_BAD_RECORDS"],
    ["that had lost too much", { ...B, entries: { ...entriesOf(30, "B") } }, "PROV_SHRUNK"],
  ])("%s leaves the edition before it, complete again", async (_, edition, code) => {
    for (const etags of [true, false]) {
      upstream.etags = etags;
      upstream.served = edition;
      expect(await uee.run("cwe")).toMatchObject({ state: "incomplete", error: { code } });
      upstream.served = A;
      await expectTrue(await uee.run("cwe"));
      // And then a run that has nothing to do costs one request.
      expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0, requests: 1 });
    }
  });

  test("in the middle of the run that stores it", async () => {
    upstream.served = { ...B, entries: entriesOf(900, "B") };
    broken.add(2);
    expect(await uee.run("cwe")).toMatchObject({ error: { code: "PROV_BATCH_DEAD" } });
    broken.clear();
    upstream.served = A;
    expect(await uee.run("cwe", "incremental", { allowShrink: true })).toMatchObject({ state: "complete" });
    expect(await stored()).toEqual(contentOf(A));
  });

  test("after its run was stopped in the middle", async () => {
    upstream.served = { ...B, entries: entriesOf(900, "B") };
    let stopping: Promise<unknown> | undefined;
    onStep = (step, phase) => {
      if (step === "checkpoint" && phase === "before" && slices++ === 1) {
        stopping = uee.engine.stop("cwe", { actor: "ann" });
      }
    };
    let slices = 0;
    expect(await uee.run("cwe")).toMatchObject({ state: "stopped" });
    await stopping;
    upstream.served = A;
    expect(await uee.run("cwe", "incremental", { allowShrink: true })).toMatchObject({ state: "complete" });
    expect(await stored()).toEqual(contentOf(A));
  });

  test("whose records come from a replay after its run has ended", async () => {
    // The run writes nothing: what is new lies in the slice that dies.
    const grown = { ...B, entries: { ...A.entries, ...entriesOf(900, "A") } };
    upstream.served = { ...grown, entries: { ...entriesOf(900, "A") } };
    await uee.run("cwe");
    const edited = {
      ...B,
      version: "4.19",
      date: "2025-12-01",
      entries: { ...entriesOf(900, "A"), 500: "edited" },
    };
    const before = upstream.served;
    upstream.served = edited;
    broken.add(2);
    expect(await uee.run("cwe")).toMatchObject({ state: "incomplete", updated: 0 });
    broken.clear();
    const { runs } = await uee.engine.deadLetters.replay({});
    const worker = await uee.engine.startWorker();
    expect(await uee.engine.waitForRun("cwe", runs[0]!.runId, { pollMs: 20 })).toMatchObject({ updated: 1 });
    await worker.stop();
    upstream.served = before;
    await expectTrue(await uee.run("cwe"));
  });
});

test("a run that finds everything unchanged keeps what the next one can ask with", async () => {
  await expectTrue(await uee.run("cwe"));
  expect(await uee.run("cwe", "full")).toMatchObject({ state: "complete", unchanged: 60 });
  expect((await meta()).changeKey).toBeDefined();
  expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0, requests: 1 });
});

test("the first write drops what said that the store equals an edition, in the same step", async () => {
  await expectTrue(await uee.run("cwe"));
  upstream.served = B;
  const kept: (string | undefined)[] = [];
  const looks: Promise<unknown>[] = [];
  onStep = (step, phase) => {
    if (step === "commit" && phase === "after") looks.push(meta().then((m) => kept.push(m.changeKey)));
  };
  await expectTrue(await uee.run("cwe"));
  await Promise.all(looks);
  // The first is of the batch that stages and writes nothing, the second of the batch that commits.
  expect([typeof kept[0], typeof kept.at(-1)]).toEqual(["string", "undefined"]);
});

test("'not modified' without anything to compare with is not complete", async () => {
  await expectTrue(await uee.run("cwe"));
  upstream.intercept = async () => {
    // A write between the question and the answer.
    await redis.client().hdel(makeKeys("uee").provider("cwe").meta, "changeKey");
    return false;
  };
  expect(await uee.run("cwe")).toMatchObject({ state: "incomplete", error: { code: "PROV_NOT_VERIFIED" } });
  upstream.intercept = () => false;
  await expectTrue(await uee.run("cwe"));
});

describe("an edition that is older than the verified one", () => {
  beforeEach(async () => {
    upstream.served = B;
    await expectTrue(await uee.run("cwe"));
    upstream.served = A;
  });

  test.each(["incremental", "full"] as const)(
    "changes nothing in a run that is %s, and says so",
    async (mode) => {
      const { watermark, verifiedAt } = await status();
      expect(await uee.run("cwe", mode)).toMatchObject({
        ...{ state: "incomplete", fetched: 0, updated: 0, removed: 0, deadLettered: 0, watermark },
        error: {
          code: "PROV_OLDER_EDITION",
          message: expect.stringMatching(/4\.17 of 2025-04-03.*verified at 4\.18 of 2025-09-09/),
        },
      });
      expect(await status()).toMatchObject({ watermark, verifiedAt, verified: true });
      expect(await stored()).toEqual(contentOf(B));
      // The lagging server has caught up.
      upstream.served = B;
      expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0, requests: 1 });
    },
  );

  test("is stored when a person says that the newer one was taken back, and is then the verified one", async () => {
    expect(await uee.run("cwe", "incremental", { allowOlder: true })).toMatchObject({ state: "complete" });
    expect(await stored()).toEqual(contentOf(A));
    expect((await status()).watermark).toBe("2025-04-03T00:00:00.000Z");
    expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0 });
  });

  test("is told by the file's time where the catalogue has no name", async () => {
    const nameless = { entries: entriesOf(60, "N"), lastModified: "Wed, 10 Sep 2025 00:00:00 GMT" };
    upstream.etags = false;
    upstream.served = nameless;
    await expectTrue(await uee.run("cwe"));
    upstream.served = { entries: entriesOf(60, "O"), lastModified: "Tue, 09 Sep 2025 00:00:00 GMT" };
    expect(await uee.run("cwe")).toMatchObject({ error: { code: "PROV_OLDER_EDITION" } });
    expect(await stored()).toEqual(contentOf(nameless));
  });
});

test("an edition of the same name with other bytes is a change", async () => {
  await expectTrue(await uee.run("cwe"));
  upstream.served = { ...A, entries: { ...A.entries, 3: "corrected" } };
  const run = await uee.run("cwe");
  expect(run.updated).toBe(1);
  await expectTrue(run);
});

test("a date in the future keeps no later edition out", async () => {
  upstream.served = { ...A, version: "", date: "2099-01-01" };
  await expectTrue(await uee.run("cwe"));
  expect(Date.parse((await status()).watermark!)).toBeLessThanOrEqual(Date.now());
  upstream.served = { ...B, version: "" };
  await expectTrue(await uee.run("cwe"));
});

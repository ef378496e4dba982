/** Errors that an ordinary day does not bring, each met on its own road and told under its code. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { z } from "zod";
import { loadConfig } from "../../src/config/index.ts";
import { UeeError } from "../../src/core/errors.ts";
import { makeLogger, silentLogger } from "../../src/core/logger.ts";
import { SourceText } from "../../src/core/sourceText.ts";
import { listenDashboard } from "../../src/dashboard/listen.ts";
import type { EngineSettings, OpenEngineOptions } from "../../src/engine.ts";
import type { AnyProvider, ExtractContext, Extracted } from "../../src/providers/contract.ts";
import { chooseRedis } from "../../src/session/openMirror.ts";
import { idleProvider } from "../support/idleProvider.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { failure, startServer, testUpstream, want } from "./upstream/support.ts";

let redis: TestRedis;
let uee: TestEngine;
let prefixes = 0;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(() => open({}));
afterEach(() => uee.close());

/** An engine with one provider, `odd`, which is odd in this way. */
async function open(
  odd: Partial<AnyProvider>,
  settings: Partial<EngineSettings> = {},
  more: Partial<OpenEngineOptions> = {},
): Promise<void> {
  await uee?.close();
  const usual = idleProvider("odd", { batches: 2, takes: 0 }) as AnyProvider;
  uee = await openTestEngine(
    redis.url,
    { prefix: `rare${prefixes++}`, ...settings },
    { providers: [{ ...usual, ...odd }], ...more },
  );
}

const batch = (key: string, payload: unknown = { n: 0 }) => ({ key, size: 1, payload });

test("a service without REDIS_URL", async () => {
  const { config } = loadConfig({ env: {}, cwd: redis.dir });
  await expect(chooseRedis({ redis: "required" }, config, () => {})).rejects.toMatchObject({
    code: "SYS_REDIS_REQUIRED",
  });
});

test("a dashboard on all addresses without a token", async () => {
  const options = { host: "0.0.0.0", port: 0, token: undefined, logger: silentLogger() };
  await expect(listenDashboard(options as Parameters<typeof listenDashboard>[0])).rejects.toMatchObject({
    code: "API_TOKEN_REQUIRED",
  });
});

test("an address where the upstream has nothing", async () => {
  const web = await startServer((_request, response) => response.writeHead(404).end());
  const upstream = testUpstream(redis.client());
  expect((await failure(upstream.get(want(web.url)))).code).toBe("PROV_NOT_FOUND");
  await upstream.close();
  await web.close();
});

test("a batch whose payload belongs into a staged slice", async () => {
  await open({ plan: () => [batch("large", { n: 0, pad: "x".repeat(20_000) })] });
  await expect(uee.engine.openRun({ provider: "odd", mode: "full" })).rejects.toMatchObject({
    code: "RPC_PAYLOAD_TOO_LARGE",
  });
});

test("an unknown run, and an export of what was never verified", async () => {
  await expect(uee.engine.runProgress("odd", "odd-none")).rejects.toMatchObject({
    code: "PROV_RUN_NOT_FOUND",
  });
  await expect(async () => {
    for await (const _ of uee.engine.records.export("odd", {}));
  }).rejects.toMatchObject({ code: "PROV_UNVERIFIED" });
});

test("an upstream that never agrees with what was received", async () => {
  await open({
    plan: ({ pass }) => [batch(`p${pass}/all`)],
    verify: ({ pass }) => ({ kind: "again", reason: "it moved", batches: [batch(`p${pass + 1}/all`)] }),
  });
  expect(await uee.run("odd", "full")).toMatchObject({
    state: "incomplete",
    pass: 5,
    error: { code: "PROV_NOT_VERIFIED", message: expect.stringContaining("it moved") },
  });
});

test("a run that a person stopped", async () => {
  const { runId } = await uee.engine.openRun({ provider: "odd", mode: "full" });
  await uee.engine.stop("odd", { actor: "ann", reason: "enough" });
  expect(await uee.engine.runProgress("odd", runId)).toMatchObject({
    state: "stopped",
    error: { code: "PROV_STOPPED", message: "stopped by ann: enough" },
  });
});

test("records that a provider's schema refuses are bad records, and too many of them pause", async () => {
  const record = z.object({ id: z.string(), size: z.number() });
  await open(
    {
      transform: (raw) => ({ ...record.parse(raw), lastModified: null, aliases: [], data: {} }),
    },
    { errorMinimum: 1 },
  );
  expect(await uee.run("odd", "full")).toMatchObject({
    state: "paused",
    error: { code: "PROV_ERROR_RATE", message: expect.stringContaining("VAL_SCHEMA") },
  });
});

test("dead letters at their cap pause", async () => {
  await open(
    {
      transform: () => {
        throw new TypeError("a bug of the provider");
      },
    },
    { deadLetterLimit: 1 },
  );
  const { runId } = await uee.engine.openRun({ provider: "odd", mode: "full" });
  const worker = await uee.engine.startWorker();
  await until(async () => (await uee.engine.status()).providers[0]?.machine.state === "PAUSED");
  await worker.stop();
  expect(await uee.engine.runProgress("odd", runId)).toMatchObject({ error: { code: "PROV_DLQ_FULL" } });
});

test("a job that is handed out again while its first copy still works here", async () => {
  let letGo = () => {};
  const hung = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let begun = 0;
  await open({
    plan: () => [batch("only")],
    // Deaf to its signal, as work that blocks is.
    async extract() {
      begun++;
      await hung;
      return { records: [{ id: "odd-1" }], fetchedAt: Date.now() * 1000 };
    },
  });
  const { runId } = await uee.engine.openRun({ provider: "odd", mode: "full" });
  const worker = await uee.engine.startWorker();
  await until(() => begun === 1);
  const client = redis.client();
  const [lock] = await client.keys(`{rare${prefixes - 1}:odd}:odd:*:lock`);
  // The lock is not renewed; the stalled check puts the job back, and this worker takes it.
  await client.del(lock!);
  await until(async () => (await uee.engine.status()).providers[0]?.jobs.delayed === 1);
  letGo();
  expect(await uee.engine.waitForRun("odd", runId, { pollMs: 20 })).toMatchObject({ state: "complete" });
  await worker.stop();
});

test("a batch of a provider that waits, and what it waits for", async () => {
  const lines: string[] = [];
  const logger = makeLogger({ destination: { write: (line) => void lines.push(line) } });
  let told = false;
  const extract = async (): Promise<Extracted<unknown>> => {
    if (told) return { records: [], fetchedAt: Date.now() * 1000 };
    told = true;
    throw new UeeError("PROV_THROTTLED", "wait a moment", { retryAfterMs: 1_500 });
  };
  await open({ plan: () => [batch("a"), batch("b"), batch("c")], extract }, { concurrency: 1 }, { logger });
  expect(await uee.run("odd", "full")).toMatchObject({ state: "complete" });
  const said = (code: string) => lines.filter((line) => JSON.parse(line).code === code);
  expect(said("PROV_THROTTLED")).toHaveLength(1);
  expect(said("PROV_BACKING_OFF").join()).toContain("PROV_THROTTLED: wait a moment");
});

test("a staged slice that is gone", async () => {
  await open({
    plan: () => [batch("slice")],
    extract: async (_payload, context) => {
      await context.loadStaged("none");
      throw new Error("it was there");
    },
  });
  expect(await uee.run("odd", "full")).toMatchObject({ state: "failed", error: { code: "STOR_STAGE_LOST" } });
});

test("a staged slice that is replayed after newer data came", async () => {
  let broken = true;
  const stage = async (context: ExtractContext): Promise<Extracted<unknown>> => {
    const fetchedAt = Date.now() * 1000;
    for (const name of ["a", "b"]) {
      const record = SourceText.of(JSON.stringify({ id: `odd-${name}`, fetchedAt }));
      await context.stage(name, { fetchedAt, records: [record] });
    }
    return {
      records: [],
      fetchedAt,
      more: [batch("slice/a", { name: "a" }), batch("slice/b", { name: "b" })],
    };
  };
  await open({
    batch: z.looseObject({ name: z.string().optional() }),
    plan: () => [batch("stage", {})],
    async extract(payload, context) {
      const { name } = payload as { name?: string };
      if (name === undefined) return await stage(context);
      const { records, fetchedAt } = await context.loadStaged(name);
      if (name === "b" && broken) throw new TypeError("a bug of the provider");
      return { records, fetchedAt };
    },
  });
  const first = await uee.run("odd", "full");
  expect(first).toMatchObject({ state: "incomplete", error: { code: "PROV_BATCH_DEAD" } });
  await uee.run("odd", "full");
  broken = false;
  const { letters } = await uee.engine.deadLetters.list({}, { limit: 10 });
  const old = letters.find(({ runId }) => runId === first.runId);
  const report = await uee.engine.deadLetters.replay({ ids: [old!.id] }, { actor: "ann" });
  const worker = await uee.engine.startWorker();
  await uee.engine.waitForRun("odd", report.runs[0]!.runId, { pollMs: 20 });
  await worker.stop();
  const after = await uee.engine.deadLetters.list({}, { limit: 10 });
  expect(after.letters.map(({ code }) => code)).toContain("STOR_OUTDATED");
});

/** A source that is added in one place is seen everywhere that names providers. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readJsonLines, recordShape, snapshotProvider } from "uee";
import { describeConfig } from "../../src/config/describe.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

const tiny = snapshotProvider({
  name: "tiny",
  authority: "example",
  version: 1,
  upstream: {
    defaultUrl: "https://example.org/all.ndjson",
    urlEnv: "UEE_TINY_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  record: recordShape({ lists: ["tags"], objects: [] }),
  async *read(bytes) {
    yield* readJsonLines(bytes);
    return { version: "7" };
  },
  identify: (raw) => (raw as { id?: string } | null)?.id,
  normalizeId: (text) => (/^TINY-\d+$/i.test(text) ? text.toUpperCase() : undefined),
});

let redis: TestRedis;
let server: Server;
let uee: TestEngine;

beforeAll(async () => {
  redis = await startRedis({});
  server = createServer((_request, response) => {
    response.end('{"id":"TINY-1","tags":[]}\n{"id":"TINY-2","tags":7}\n{"id":"TINY-3"}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/all.ndjson`;
  uee = await openTestEngine(
    redis.url,
    { providers: { tiny: { url, rate: "unlimited" } } },
    { providers: [tiny] },
  );
});
afterAll(async () => {
  await uee.close();
  server.close();
  await redis.stop();
});

test("it runs, its bad record is set aside alone, and status, schedules and configuration have it", async () => {
  expect(await uee.run("tiny")).toMatchObject({ state: "incomplete", created: 2, deadLettered: 1 });
  expect([...(await exported(uee.engine, "tiny")).keys()]).toEqual(["TINY-1", "TINY-3"]);
  expect(await uee.engine.records.get("tiny-1")).toMatchObject({
    record: { urn: "v2e::example::tiny::TINY-1" },
  });
  expect((await uee.engine.status()).providers).toMatchObject([{ provider: "tiny", records: 2 }]);
  expect((await uee.engine.schedules()).map(({ provider }) => provider)).toContain("tiny");
  expect(describeConfig([tiny]).map(({ env }) => env)).toContain("UEE_TINY_URL");
});

/** A source whose rows have no id: they get one from their fields, and name records of another source. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { decodeUtf8, derivedIds, readCsv, readJsonLines, recordShape, snapshotProvider } from "uee";
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

/** Its rows have no id, and name a weakness. */
const rows = snapshotProvider({
  name: "rows",
  authority: "example",
  version: 1,
  upstream: {
    defaultUrl: "https://example.org/all.csv",
    urlEnv: "UEE_ROWS_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  record: recordShape({ lists: [], objects: [] }),
  async *read(bytes) {
    yield* readCsv(decodeUtf8(bytes), { required: ["vendor", "title"] });
    return undefined;
  },
  ...derivedIds("vendor", "title"),
  links: ({ names }) => [{ provider: "tiny", id: String(names), relation: "names" }],
  label: ({ title }) => String(title),
});
let csv = "";

let redis: TestRedis;
let server: Server;
let uee: TestEngine;

beforeAll(async () => {
  redis = await startRedis({});
  server = createServer(({ url }, response) => {
    if (url === "/all.csv") response.end(csv);
    else response.end('{"id":"TINY-1","tags":[]}\n{"id":"TINY-2","tags":7}\n{"id":"TINY-3"}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  uee = await openTestEngine(
    redis.url,
    {
      providers: {
        tiny: { url: `${base}/all.ndjson`, rate: "unlimited" },
        rows: { url: `${base}/all.csv`, rate: "unlimited" },
      },
    },
    { providers: [tiny, rows] },
  );
});
afterAll(async () => {
  await uee.close();
  server.close();
  await redis.stop();
});

test("rows without an id get one that stays from edition to edition, and are in the graph", async () => {
  await uee.run("tiny");
  csv = "vendor,title,score,names\nacme,overflow,1,TINY-1\nacme,injection,2,TINY-1\n";
  expect(await uee.run("rows")).toMatchObject({ state: "complete", created: 2 });
  const ids = [...(await exported(uee.engine, "rows"))].map(([id, data]) => [
    (data as { title: string }).title,
    id,
  ]);
  csv = "vendor,title,score,names\nacme,injection,2,TINY-1\nacme,overflow,3,TINY-3\nacme,overflow,3,TINY-3\n";
  expect(await uee.run("rows")).toMatchObject({
    state: "complete",
    created: 0,
    updated: 1,
    unchanged: 1,
    removed: 0,
  });
  const stored = await exported(uee.engine, "rows");
  expect([...stored].map(([id, data]) => [(data as { title: string }).title, id]).sort()).toEqual(ids.sort());
  expect(await uee.engine.records.get(ids[0]![1]!.toUpperCase())).toHaveProperty("record");
  const { nodes, edges } = (await uee.engine.records.trace("TINY-3"))!;
  expect(nodes.map(({ name }) => name).sort()).toEqual(["TINY-3", "overflow"]);
  expect(edges).toHaveLength(1);
  expect((await uee.engine.records.trace("TINY-1"))!.edges).toHaveLength(1);
});

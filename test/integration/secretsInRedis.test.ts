/**
 * No credential of an upstream's address reaches Redis, its append-only file or a log, however the runs end; and
 * what older versions stored is dropped.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { UeeError } from "../../src/core/errors.ts";
import { makeLogger } from "../../src/core/logger.ts";
import type { AnyProvider } from "../../src/providers/contract.ts";
import { cwe } from "../../src/providers/cwe/cwe.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { type CatalogueServer, entriesOf, startCatalogue } from "../support/catalogueServer.ts";
import { filesBelow } from "../support/liveFiles.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

/** A secret whose form no rule about forms could recognise. */
const secrets = ["kermit-user", "p/ss%word-miss", "frog-value", "bare-gonzo"];
const [user, password, value, bare] = secrets.map(encodeURIComponent);
const basic = Buffer.from(`${secrets[0]}:${secrets[1]}`).toString("base64");
const everyForm = [...secrets, user, password, basic].filter((text): text is string => text !== undefined);

let redis: TestRedis;
let upstream: CatalogueServer;
let uee: TestEngine;
let lines: string[];
let broken = false;

const flawed: AnyProvider = {
  ...cwe,
  extract: (...[payload, context]: Parameters<typeof cwe.extract>) => {
    if (payload.kind === "slice" && broken) throw new UeeError("STOR_CORRUPT", "the slice cannot be read");
    return cwe.extract(payload, context);
  },
};

const address = (): string => `${upstream.url.replace("://", `://${user}:${password}@`)}?k=${value}&${bare}`;

const open = (): Promise<TestEngine> =>
  openTestEngine(
    redis.url,
    { errorRate: 1, providers: { cwe: { url: address(), rate: "unlimited" } } },
    {
      providers: [flawed],
      logger: makeLogger({ level: "debug", destination: { write: (line: string) => void lines.push(line) } }),
    },
  );

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
});
afterAll(() => redis.stop());
beforeEach(async () => {
  lines = [];
  broken = false;
  upstream = await startCatalogue({ version: "4.17", date: "2025-04-03", entries: entriesOf(40, "A") });
  uee = await open();
});
afterEach(async () => {
  await uee.close();
  await upstream.close();
  await redis.client().flushall();
});

/** Everything that Redis has on disk: each command since the last rewrite, and its data. */
function onDisk(): Buffer {
  const data = [...filesBelow(redis.dir)].filter(({ name }) => /\.(aof|rdb)$/.test(name));
  expect(data.length).toBeGreaterThan(0);
  return Buffer.concat(data.map(({ bytes }) => bytes));
}

/** Names and values of all keys, values as Redis dumps them. */
async function inKeys(): Promise<Buffer> {
  const client = redis.client();
  const names = await client.keys("*");
  expect(names.length).toBeGreaterThan(10);
  const parts: Buffer[] = [];
  for (const name of names) {
    parts.push(Buffer.from(name));
    // A dump may be compressed: fields are read as well.
    parts.push((await client.dumpBuffer(name)) ?? Buffer.alloc(0));
    const type = await client.type(name);
    if (type === "hash") parts.push(Buffer.from(JSON.stringify(await client.hgetall(name))));
    if (type === "stream") parts.push(Buffer.from(JSON.stringify(await client.xrange(name, "-", "+"))));
    if (type === "zset") parts.push(Buffer.from(JSON.stringify(await client.zrange(name, "0", "-1"))));
    if (type === "set") parts.push(Buffer.from(JSON.stringify(await client.smembers(name))));
    if (type === "list") parts.push(Buffer.from(JSON.stringify(await client.lrange(name, 0, -1))));
    if (type === "string") parts.push((await client.getBuffer(name)) ?? Buffer.alloc(0));
  }
  return Buffer.concat(parts);
}

async function expectNoSecret(): Promise<void> {
  const places = { keys: await inKeys(), files: onDisk(), logs: Buffer.from(lines.join("")) };
  for (const [place, bytes] of Object.entries(places)) {
    const found = everyForm.filter((text) => bytes.includes(text));
    expect({ place, found }).toEqual({ place, found: [] });
  }
}

test("of runs that end well, that find nothing new, that fail, and of dead letters and their replays", async () => {
  upstream.intercept = (request, response) => {
    if (request.headers.authorization === `Basic ${basic}` && request.url?.endsWith(`?k=${value}&${bare}`))
      return false;
    response.writeHead(401).end();
    return true;
  };
  expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 40 });
  expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0 });
  upstream.served = { version: "4.18", date: "2025-09-09", entries: entriesOf(40, "B"), bad: [3] };
  expect(await uee.run("cwe")).toMatchObject({ state: "incomplete", deadLettered: 1 });
  broken = true;
  upstream.served = { ...upstream.served, version: "4.19", date: "2025-12-09" };
  expect(await uee.run("cwe")).toMatchObject({ error: { code: "PROV_BATCH_DEAD" } });
  broken = false;
  const { runs } = await uee.engine.deadLetters.replay({}, { actor: "ann" });
  const worker = await uee.engine.startWorker();
  await uee.engine.waitForRun("cwe", runs[0]!.runId, { pollMs: 20 });
  await worker.stop();
  await expectNoSecret();
});

/** Answers with everything secret of the request, as error pages of servers and proxies do. */
const echoing =
  (status: number): CatalogueServer["intercept"] =>
  ({ url = "" }, response) => {
    response.writeHead(status, { "content-type": "text/html", ...(status === 302 ? { location: url } : {}) });
    response.end(`<html>${url} by ${secrets.join(" ")} ${basic}</html>`);
    return true;
  };

test.each([
  ["is refused with a page that echoes the request", 400],
  ["is redirected in a circle", 302],
  ["gets a page instead of data", 200],
])("of a run that %s", async (_, status) => {
  upstream.intercept = echoing(status);
  const run = await uee.run("cwe");
  expect(run).toMatchObject({ state: "failed", error: { code: expect.stringMatching(/^PROV_/) } });
  await expectNoSecret();
});

test("of a run that waits for a server in trouble, which echoes the request", async () => {
  upstream.intercept = echoing(500);
  const { runId } = await uee.engine.openRun({ provider: "cwe", mode: "full" });
  const worker = await uee.engine.startWorker();
  await until(() => upstream.requests.length >= 4);
  await expectNoSecret();
  await uee.engine.stop("cwe", { actor: "ann" });
  expect(await uee.engine.waitForRun("cwe", runId, { pollMs: 20 })).toMatchObject({ state: "stopped" });
  await worker.stop();
  await expectNoSecret();
});

test("that an older version stored is dropped when an engine opens, out of the append-only file too", async () => {
  expect(await uee.run("cwe")).toMatchObject({ state: "complete" });
  await uee.close();
  const client = redis.client();
  const keys = makeKeys("uee").provider("cwe");
  const source = `1 ${address()}`;
  const changeKey = JSON.stringify({ source, key: { sha256: "0" } });
  const [runId] = await client.zrange(keys.runs, "0", "0");
  const replay = "cwe-replay-1";
  await client.hset(keys.meta, { changeKey });
  await client.hset(keys.run(runId!).run, { source, changeKey });
  await client.hset(keys.run(replay).run, { source, state: "waiting" });
  await client.set(keys.replayRun, replay);
  expect(onDisk().includes(user!)).toBe(true);
  uee = await open();
  // A rewrite is done in the background.
  await until(async () => !onDisk().includes(user!));
  await client.del(keys.replayRun);
  await expectNoSecret();
  expect(lines.join("")).toContain("addresses_dropped");
  // Nothing but the key is lost: one run that reads everything makes a new one.
  expect(await uee.run("cwe")).toMatchObject({ state: "complete", unchanged: 40 });
  expect(await uee.run("cwe")).toMatchObject({ state: "complete", fetched: 0, requests: 1 });
  await expectNoSecret();
});

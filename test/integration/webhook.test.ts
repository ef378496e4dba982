/** The webhook over real Redis and a real receiver: what is told, once, through whatever the receiver does. */
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { makeLogger } from "../../src/core/logger.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { Webhook, type WebhookMessage } from "../../src/session/webhook.ts";
import { type CatalogueServer, entriesOf, startCatalogue } from "../support/catalogueServer.ts";
import { type HttpServer, startHttp } from "../support/httpServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";
import { startDashboard } from "./dashboard/support.ts";

const keys = makeKeys("uee");
const secretPath = "/services/T0AAAAAAA/B0BBBBBBB/frogs-and-pigs";

let redis: TestRedis;
let client: Redis;
let upstream: CatalogueServer;
let receiver: HttpServer;
let uee: TestEngine;
let lines: string[];
let hooks: Webhook[];
/** What was posted, and when by the monotonic clock. */
let posts: { message: WebhookMessage; headers: IncomingMessage["headers"]; at: number }[];
let answer: (response: ServerResponse, nth: number) => unknown;

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  client = redis.client();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await client.flushall();
  lines = [];
  hooks = [];
  posts = [];
  answer = (response) => response.end("ok");
  receiver = await startHttp(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    posts.push({ message: JSON.parse(body), headers: request.headers, at: performance.now() });
    expect(request.url).toBe(secretPath);
    answer(response, posts.length);
  });
  upstream = await startCatalogue({ version: "1", date: "2025-01-01", entries: entriesOf(5, "A") });
  uee = await openTestEngine(redis.url, {
    errorRate: 1,
    providers: { cwe: { url: upstream.url, rate: "unlimited" } },
  });
});
afterEach(async () => {
  await Promise.all(hooks.map((hook) => hook.close()));
  await uee.close();
  await upstream.close();
  await receiver.close();
});

const logger = () =>
  makeLogger({ level: "debug", destination: { write: (line: string) => void lines.push(line) } });

const open = (over: { url?: string; waitScale?: number; timeoutMs?: number; publicUrl?: string } = {}) => {
  const hook = new Webhook({
    url: `${receiver.origin}${secretPath}`,
    publicUrl: undefined,
    ...{ engine: uee.engine, connections: uee.redis, keys, waitScale: 0.001, logger: logger(), lookMs: 20 },
    ...over,
  });
  hooks.push(hook);
  return hook;
};
const start = async (over: Parameters<typeof open>[0] = {}): Promise<Webhook> => {
  const hook = open(over);
  await hook.start();
  return hook;
};

const told = (): string[] => posts.map(({ message: { event, provider } }) => `${event} ${provider}`);
/** What is told from now on was noticed after everything that happened before. */
const looked = async (): Promise<void> => {
  const status = uee.engine.status;
  let looks = 0;
  uee.engine.status = () => {
    looks++;
    return status();
  };
  await until(() => looks >= 3);
  uee.engine.status = status;
};
const quiet = async (): Promise<void> => {
  await looked();
  const [hook] = hooks;
  await until(async () => (await hook!.queued()).waiting === 0);
};

describe("a webhook is told", () => {
  test("that a source was paused, by whom and why, and once that it is well again", async () => {
    await start({ publicUrl: "https://uee.example/" });
    await uee.engine.pause("cwe", { actor: "ann", reason: "<!channel> & more" });
    await until(() => posts.length === 1);
    await quiet();
    expect(posts[0]!.headers["content-type"]).toMatch(/^application\/json/);
    expect(posts[0]!.message).toEqual({
      text: expect.stringMatching(
        /^UEE: cwe was paused just now by ann: &lt;!channel&gt; &amp; more\.\n`uee resume cwe` .*\nhttps:/,
      ),
      id: expect.any(String),
      event: "paused",
      provider: "cwe",
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      link: "https://uee.example/runs?provider=cwe",
    });
    await uee.engine.resume("cwe");
    await until(() => posts.length === 2);
    await uee.engine.pause("cwe");
    await until(() => posts.length === 3);
    await quiet();
    expect(told()).toEqual(["paused cwe", "recovered cwe", "paused cwe"]);
    expect(posts[1]!.message.text).toBe(
      "UEE: cwe is well again; it was paused.\nhttps://uee.example/runs?provider=cwe",
    );
  });

  test("that a run ended incomplete, not again while runs end so, and that one was complete", async () => {
    await start({ publicUrl: "https://uee.example/mirror" });
    upstream.served = { version: "2", date: "2025-02-01", entries: entriesOf(5, "B"), bad: [3] };
    const run = await uee.run("cwe");
    await until(() => posts.length === 1);
    await uee.run("cwe", "full");
    await quiet();
    expect(told()).toEqual(["incomplete cwe"]);
    expect(posts[0]!.message).toMatchObject({
      text: expect.stringContaining("the last run of cwe ended incomplete: PROV_BAD_RECORDS"),
      link: `https://uee.example/mirror/runs/${run.runId}`,
    });
    upstream.served = { version: "3", date: "2025-03-01", entries: entriesOf(5, "C") };
    await uee.run("cwe");
    await until(() => posts.length === 2);
    expect(told()[1]).toBe("recovered cwe");
  });

  test("that a run failed, that a source is stale and that it is not equal to its feeds", async () => {
    upstream.intercept = (_request, response) => {
      response.writeHead(401).end();
      return true;
    };
    await uee.run("cwe");
    const { meta } = keys.provider("cwe");
    await client.hset(meta, "verifiedAt", "2020-01-01T00:00:00.000Z");
    const found = { checked: 9, equal: 8, newer: 0, stale: 0, missing: 0, extra: 0, repaired: 0 };
    const reconciled = {
      ...found,
      unexplained: 1,
      repair: true,
      runId: "cwe-r",
      feeds: [],
      at: "",
      asOf: "",
    };
    await client.hset(meta, "reconciled", JSON.stringify(reconciled));
    await start();
    await until(() => posts.length === 3);
    await quiet();
    expect(told().sort()).toEqual(["failed cwe", "stale cwe", "unreconciled cwe"]);
    for (const { message } of posts) expect(message.link).toBeNull();
  });

  test("once, although several services look at once, and although one died before it had queued the message", async () => {
    await Promise.all([start(), start(), start()]);
    for (const provider of ["cwe", "capec", "kev"]) await uee.engine.pause(provider);
    await until(() => posts.length >= 3);
    await quiet();
    expect(told().sort()).toEqual(["paused capec", "paused cwe", "paused kev"]);
    const left: WebhookMessage = {
      ...{ text: "UEE: left behind", id: "left", event: "paused", provider: "cve" },
      ...{ at: new Date(Date.now() - 3_600_000).toISOString(), link: null },
    };
    await client.hset(keys.webhook, "cve", JSON.stringify({ problems: {}, outbox: [left] }));
    await until(() => posts.length >= 4);
    await quiet();
    expect(posts.slice(3).map(({ message }) => message)).toEqual([
      { ...left, text: expect.stringMatching(/^UEE: left behind\n\(noticed at .* UTC\)$/) },
    ]);
  });
});

describe("a receiver", () => {
  test("that answers 500, hangs, cuts the connection or is away gets the message when it is well", async () => {
    answer = (response, nth) => {
      if (nth === 1) response.writeHead(500).end();
      else if (nth === 3) response.destroy();
      else if (nth >= 4) response.end();
    };
    await start({ timeoutMs: 300 });
    await uee.engine.pause("cwe");
    await until(() => posts.length === 4);
    await quiet();
    expect(new Set(posts.map(({ message }) => message.id)).size).toBe(1);
    const failed = lines.filter((line) => line.includes("SYS_WEBHOOK_AWAY"));
    expect(failed.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      "The receiver of the webhook answered 500.",
      "The receiver of the webhook did not answer within 300 ms.",
      expect.stringMatching(/^The receiver of the webhook cannot be reached \([A-Z_]+\)\.$/),
    ]);
    const { origin } = receiver;
    await receiver.close();
    await uee.engine.resume("cwe");
    await until(() => lines.filter((line) => line.includes("SYS_WEBHOOK_AWAY")).length >= 4);
    expect(lines.join("")).not.toContain(origin.slice("http://".length));
  });

  test("that names a time with Retry-After is left alone until then", async () => {
    answer = (response, nth) => {
      if (nth === 1) response.writeHead(429, { "retry-after": "100" });
      response.end();
    };
    await start({ waitScale: 0.01 });
    await uee.engine.pause("cwe");
    await until(() => posts.length === 2);
    expect(posts[1]!.at - posts[0]!.at).toBeGreaterThanOrEqual(1_000);
  });

  test("that refuses a message for good is not asked again, and the next one is sent", async () => {
    answer = (response, nth) => response.writeHead(nth === 1 ? 404 : 200).end(secretPath);
    const hook = await start();
    await uee.engine.pause("cwe");
    await until(async () => (await hook.queued()).failed === 1);
    await uee.engine.resume("cwe");
    await until(() => posts.length === 2);
    expect(told()).toEqual(["paused cwe", "recovered cwe"]);
    expect(lines.join("")).toContain("SYS_WEBHOOK_REFUSED");
  });

  test("is told about what waited when a service stops amid a message and another starts", async () => {
    answer = (response, nth) => nth > 1 && response.end();
    const first = await start();
    await uee.engine.pause("cwe");
    await until(() => posts.length === 1);
    await first.close();
    await start();
    await until(() => posts.length === 2);
    expect(posts[1]!.message).toEqual(posts[0]!.message);
  });
});

test("the address is in no log, no error and no byte of Redis", async () => {
  answer = (response, nth) => response.writeHead([500, 404, 200][nth - 1] ?? 200).end();
  const url = receiver.origin.replace("://", "://kermit:miss-piggy@");
  await start({ url: `${url}${secretPath}` });
  await uee.engine.pause("cwe");
  await until(() => posts.length === 2);
  await uee.engine.resume("cwe");
  await until(() => posts.length === 3);
  await quiet();
  expect(posts[0]!.headers.authorization).toBe(
    `Basic ${Buffer.from("kermit:miss-piggy").toString("base64")}`,
  );
  answer = (response) => response.writeHead(403).end();
  const error: unknown = await open()
    .test("ann")
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "SYS_WEBHOOK_REFUSED" });
  const files = readdirSync(redis.dir, { recursive: true, encoding: "utf8" });
  // Each command that Redis ever got, in clear.
  const stored = files
    .filter((name) => name.endsWith(".aof"))
    .map((name) => readFileSync(join(redis.dir, name)));
  const everything = [...lines, String((error as Error).stack), ...stored.map(String)].join("\n");
  expect(everything).toContain("paused");
  for (const secret of [...secretPath.split("/").slice(2), "miss-piggy", receiver.origin.slice(7)])
    expect(everything).not.toContain(secret);
});

test("the API says whether a webhook is configured, and sends a test message", async () => {
  const dashboard = await startDashboard();
  try {
    const none = { configured: false, waiting: 0, failed: 0 };
    expect((await dashboard.get("/api/webhook")).json).toEqual(none);
    const missing = await dashboard.send("POST", "/api/webhook/test");
    expect([missing.status, missing.json.code]).toEqual([404, "API_NOT_FOUND"]);
    const backend = { ...{ engine: uee.engine, redis: uee.redis, keys }, webhook: open() };
    const served = await dashboard.another({ backend: () => backend });
    expect((await served.get("/api/webhook")).json).toEqual({ ...none, configured: true });
    const sent = await served.send("POST", "/api/webhook/test", undefined, { "x-actor": "ann" });
    expect([sent.status, sent.json]).toEqual([200, { sent: true }]);
    expect(posts).toMatchObject([
      { message: { event: "test", text: expect.stringContaining("sent by ann") } },
    ]);
    answer = (response) => response.writeHead(403).end(secretPath);
    const refused = await served.send("POST", "/api/webhook/test");
    expect([refused.status, refused.json.code]).toEqual([502, "SYS_WEBHOOK_REFUSED"]);
    expect(refused.text).not.toContain("frogs");
  } finally {
    await dashboard.close();
  }
});

/** Two workers of one fleet and one webhook: one message an event, also when one of them is killed; and `uee webhook test`. */
import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { WebhookMessage } from "../../src/session/webhook.ts";
import { type HttpServer, startHttp } from "../support/httpServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, startUee, uee, until } from "./cliSupport.ts";

const secret = "T0AAAAAAA-frogs-and-pigs";

let redis: TestRedis;
let receiver: HttpServer;
let posts: WebhookMessage[] = [];
let answer: (response: ServerResponse) => unknown = (response) => response.end("ok");
beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  receiver = await startHttp(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    posts.push(JSON.parse(body) as WebhookMessage);
    answer(response);
  });
});
afterEach(killAll);
afterAll(async () => {
  await receiver?.close();
  await redis?.stop();
});

const envOf = (more: NodeJS.ProcessEnv = {}) =>
  bareEnv({
    ...{ REDIS_URL: redis.url, UEE_WAIT_SCALE: "0.001", UEE_LOG_LEVEL: "debug" },
    UEE_WEBHOOK_URL: `${receiver.origin}/services/${secret}`,
    ...more,
  });

test("two workers send one message an event; one that is killed leaves nothing untold", async () => {
  const env = envOf();
  const workers = [startUee(["worker"], { env }), startUee(["worker"], { env })];
  await Promise.all(workers.map((worker) => worker.said(/is ready/)));
  answer = (response) => response.writeHead(posts.length === 1 ? 503 : 200).end();
  expect((await uee(["pause", "cwe", "--reason", "MITRE moves house"], { env })).code).toBe(0);
  await until("the pause is told, at the second attempt", () => posts.length === 2);
  workers[0]!.kill("SIGKILL");
  await workers[0]!.ended;
  expect((await uee(["resume", "cwe"], { env })).code).toBe(0);
  await until("the end of the pause is told", () => posts.length >= 3);
  expect(posts.map(({ event, provider }) => `${event} ${provider}`)).toEqual([
    ...["paused cwe", "paused cwe", "recovered cwe"],
  ]);
  expect(posts[0]!.id).toBe(posts[1]!.id);
  expect(posts[0]!.text).toContain("MITRE moves house");
  workers[1]!.kill("SIGTERM");
  expect((await workers[1]!.ended).code).toBe(0);
  const shown = await uee(["config"], { env });
  for (const { stdout, stderr } of [...workers, shown]) expect(stdout + stderr).not.toContain(secret);
  expect(shown.stdout).toMatch(/webhookUrl +\*\*\*/);
});

test("uee webhook test says whether the receiver took the message", async () => {
  posts = [];
  answer = (response) => response.end();
  const taken = await uee(["webhook", "test", "--json"], { env: envOf() });
  expect([taken.code, JSON.parse(taken.stdout)]).toEqual([0, { sent: true }]);
  expect(posts).toMatchObject([{ event: "test", provider: null }]);
  answer = (response) => response.writeHead(410).end();
  const refused = await uee(["webhook", "test"], { env: envOf() });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("SYS_WEBHOOK_REFUSED")]);
  const away = await uee(["webhook", "test"], {
    env: envOf({ UEE_WEBHOOK_URL: `http://127.0.0.1:1/${secret}` }),
  });
  expect([away.code, away.stderr]).toEqual([1, expect.stringMatching(/SYS_WEBHOOK_AWAY: .*ECONNREFUSED/)]);
  const without = await uee(["webhook", "test"], { env: envOf({ UEE_WEBHOOK_URL: undefined }) });
  expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("UEE_WEBHOOK_URL is not set")]);
  for (const { stdout, stderr } of [refused, away]) expect(stdout + stderr).not.toMatch(/frogs|127\.0\.0\.1/);
});

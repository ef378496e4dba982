/** Bull Board: behind the same login, read-only, redacted, and quick where a queue is full of failed jobs. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Queue } from "bullmq";
import { providers as registered } from "../../../src/providers/registry.ts";
import { ask } from "../../support/httpAsk.ts";
import { until } from "../../support/until.ts";
import { bearer, servedRoutes, startDashboard, type TestDashboard, token } from "./support.ts";

const apiKey = 'nvd-"key"-that-must-not-show';
let dashboard: TestDashboard;
let queue: Queue;
beforeAll(async () => {
  dashboard = await startDashboard({ secrets: [token, apiKey] });
  queue = new Queue("cve", {
    prefix: "{uee:cve}",
    connection: dashboard.redis.client({ maxRetriesPerRequest: null }),
  });
});
afterAll(async () => {
  await queue.close();
  await dashboard.close();
});

interface Shown {
  name: string;
  displayName: string;
  description?: string;
  readOnlyMode: boolean;
  counts: Record<string, number>;
  jobs: Record<string, unknown>[];
}
const queues = async (query: string): Promise<Shown[]> =>
  (await dashboard.get(`/queues/api/queues?${query}`)).json.queues as unknown as Shown[];

describe("Bull Board", () => {
  test("shows the queues of all providers and of scripts by their names, all read-only", async () => {
    const shown = await queues("page=1&jobsPerPage=10");
    expect(shown.map(({ name, displayName }) => [name, displayName])).toEqual(
      [...registered.map(({ name }) => name), "runs", "webhook"].map((name) => [name, name]),
    );
    expect(shown.every(({ readOnlyMode }) => readOnlyMode)).toBe(true);
    // In one line: why accepted dead letters stand there as failed.
    expect(shown[0]!.description).toMatch(
      /^Batches of cve\. Failed jobs are its dead letters: .*an accepted one stays too/,
    );
  });

  test("has a page without anything inline or from elsewhere, and its files", async () => {
    const page = await dashboard.get("/queues");
    expect(page.status).toBe(200);
    expect(page.headers["content-security-policy"]).toBe(
      "default-src 'self';base-uri 'self';form-action 'self';frame-ancestors 'none';object-src 'none';img-src 'self' data:",
    );
    expect(page.text).not.toMatch(/https?:\/\/(?!github)|<style|style="/);
    const [, script = ""] = /src="(static\/js\/main[^"]+)"/.exec(page.text) ?? [];
    const file = await dashboard.get(`/queues/${script}`);
    expect([file.status, file.headers["content-type"]]).toEqual([200, expect.stringContaining("javascript")]);
  });

  test("wants the token or a login; a browser is led to the login", async () => {
    for (const path of [
      "/queues",
      "/queues/",
      "/queues/api/queues",
      "/queues/queue/cve",
      "/queues/static/images/logo.svg",
    ]) {
      const answer = await dashboard.ask(path);
      expect([path, answer.status, answer.json.code]).toEqual([path, 401, "API_UNAUTHORIZED"]);
    }
    const browser = await dashboard.ask("/queues/queue/cve", { headers: { accept: "text/html,*/*;q=0.8" } });
    expect([browser.status, browser.headers.location]).toEqual([302, "/?next=%2Fqueues%2Fqueue%2Fcve"]);
    const login = await dashboard.ask("/api/session", { method: "POST", body: { token, name: "ann" } });
    const cookie = login.headers["set-cookie"]![0]!.split(";")[0]!;
    expect((await dashboard.ask("/queues", { headers: { cookie } })).status).toBe(200);
  });

  test("refuses every write with 405, by token and by login, and nothing happens", async () => {
    await queue.add("batch", { provider: "cve" }, { jobId: "kept", delay: 3_600_000 });
    const login = await dashboard.ask("/api/session", { method: "POST", body: { token, name: "ann" } });
    const headers = {
      cookie: login.headers["set-cookie"]![0]!.split(";")[0]!,
      "x-csrf-token": login.json.csrfToken as string,
    };
    const writes = servedRoutes(dashboard.app)
      .map((route) => route.split(" ") as [string, string])
      .filter(([method, path]) => path.startsWith("/queues/") && !["GET", "HEAD"].includes(method));
    expect(writes.length).toBeGreaterThan(15);
    for (const [method, template] of writes) {
      const path = template
        .replace("{queueName}", "cve")
        .replace("{jobId}", "kept")
        .replace(/\{\w+\}/g, "failed");
      for (const credentials of [bearer, headers]) {
        const answer = await ask(dashboard.url, path, { method, headers: credentials, body: {} });
        expect([method, path, answer.status, answer.json.code]).toEqual([method, path, 405, "API_READ_ONLY"]);
      }
    }
    expect(await queue.isPaused()).toBe(false);
    expect(await queue.getJobCountByTypes("delayed", "waiting", "failed")).toBe(1);
  });

  test("shows no secret, whatever a job holds", async () => {
    const job = await queue.add(
      "batch",
      {
        provider: "cve",
        url: "https://user:sesame@proxy.example/feed",
        headers: { apiKey: "abc", Authorization: `Bearer ${token}` },
        note: `asked with ${apiKey}`,
        nested: [{ nvdApiKey: "abc", accessToken: "abc", tokens: 3 }],
      },
      { jobId: "secretive", delay: 3_600_000 },
    );
    await job.log(`the key is ${apiKey}`);
    const answers = [
      await dashboard.get("/queues/api/queues/cve/secretive"),
      await dashboard.get("/queues/api/queues/cve/secretive/logs"),
      await dashboard.get("/queues/api/queues?activeQueue=cve&status=delayed&page=1&jobsPerPage=10"),
    ];
    for (const { status, text } of answers) {
      expect(status).toBe(200);
      for (const secret of [token, "nvd-", "sesame", '"abc"']) expect(text).not.toContain(secret);
      expect(text).toContain("[redacted]");
    }
    expect(answers[0]!.json).toMatchObject({
      job: {
        data: {
          provider: "cve",
          url: "https://[redacted]@proxy.example/feed",
          headers: { apiKey: "[redacted]", Authorization: "[redacted]" },
          nested: [{ nvdApiKey: "[redacted]", accessToken: "[redacted]", tokens: 3 }],
        },
      },
    });
  });

  test("shows a page of 10,000 failed jobs without loading them all", async () => {
    const redis = dashboard.redis.client();
    for (let start = 0; start < 10_000; start += 500) {
      const pipeline = redis.pipeline();
      for (let i = start; i < start + 500; i++) {
        pipeline.hset(`{uee:cve}:cve:f-${i}`, {
          ...{ name: "batch", data: JSON.stringify({ provider: "cve", batch: `p1/all/${i}` }), opts: "{}" },
          ...{ timestamp: 1_700_000_000_000 + i, delay: 0, priority: 0, attemptsMade: 8 },
          ...{ failedReason: "PROV_BAD_JSON: x", stacktrace: "[]", finishedOn: 1_700_000_000_000 + i },
        });
        pipeline.zadd("{uee:cve}:cve:failed", 1_700_000_000_000 + i, `f-${i}`);
      }
      await pipeline.exec();
    }
    const commands = async (): Promise<number> =>
      Number(/total_commands_processed:(\d+)/.exec(await redis.info("stats"))?.[1]);
    const before = await commands();
    const shown = await queues("activeQueue=cve&status=failed&page=500&jobsPerPage=20");
    // A page costs its own jobs, not all those that failed.
    expect((await commands()) - before).toBeLessThan(500);
    expect(shown[0]!.counts.failed).toBe(10_000);
    expect(shown[0]!.jobs).toHaveLength(20);
    const whole = await dashboard.get(
      "/queues/api/queues?activeQueue=cve&status=failed&page=1&jobsPerPage=10000",
    );
    expect([whole.status, whole.json.code]).toEqual([400, "API_BAD_INPUT"]);
  });

  test("says 503 while Redis is away, and shows the queues again when it is back", async () => {
    const own = await startDashboard();
    expect((await own.get("/queues/api/queues?page=1&jobsPerPage=10")).status).toBe(200);
    await own.redis.kill();
    const away = await own.get("/queues/api/queues?page=1&jobsPerPage=10");
    expect([away.status, away.json.code]).toEqual([503, "SYS_REDIS_UNREACHABLE"]);
    await own.redis.restart();
    await until(async () => (await own.get("/queues/api/queues?page=1&jobsPerPage=10")).status === 200);
    await own.close();
  });
});

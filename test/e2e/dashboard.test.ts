/** `uee dashboard` as a service: before Redis is there, while it is away, and how it refuses and ends. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { followEvents } from "../support/eventStream.ts";
import { ask } from "../support/httpAsk.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, startUee, type UeeProcess, uee, until } from "./cliSupport.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(killAll);

const token = "a-token-for-tests-only";
const bearer = { authorization: `Bearer ${token}` };
const env = (more: NodeJS.ProcessEnv = {}) =>
  bareEnv({ REDIS_URL: redis.url, UEE_REDIS_CHECKS: "off", UEE_LOG_FORMAT: "json", ...more });

/** Where it says that it listens. */
async function address(service: UeeProcess): Promise<string> {
  await service.said('"event":"listening"');
  return /"url":"(http:[^"]+)"/.exec(service.stderr)![1]!;
}

const start = (more: NodeJS.ProcessEnv = { UEE_API_TOKEN: token }, ...args: string[]) =>
  startUee(["dashboard", "--port", "0", ...args], { env: env(more) });

describe("uee dashboard", () => {
  test("answers, says that it is ready, and stops with 0 at SIGTERM, telling followers", async () => {
    const service = start();
    const url = await address(service);
    await until("it is ready", async () => (await ask(url, "/readyz")).status === 200);
    expect((await ask(url, "/api/etl-tree")).status).toBe(401);
    expect((await ask(url, "/api/etl-tree", { headers: bearer })).status).toBe(200);
    const stream = await followEvents(url, bearer);
    await stream.wait(({ name }) => name === "workers");
    service.kill("SIGTERM");
    expect((await service.ended).code).toBe(0);
    expect(stream.events.at(-1)!.name).toBe("bye");
  });

  test("keeps the token out of everything that it logs", async () => {
    const service = start({ UEE_API_TOKEN: token, UEE_LOG_LEVEL: "trace" });
    const url = await address(service);
    await until("it is ready", async () => (await ask(url, "/readyz")).status === 200);
    const body = { token, name: "ann" };
    const { headers } = await ask(url, "/api/session", { method: "POST", body });
    const cookie = headers["set-cookie"]![0]!.split(";")[0]!;
    await ask(url, `/api/workers?token=${token}`, { headers: { ...bearer, cookie } });
    await ask(url, `/api/nothing?token=${token}`, { headers: bearer });
    await ask(url, "/api/session", { method: "POST", body: { token: "wrong-guess", name: "ann" } });
    await service.said('"event":"login_refused"');
    service.kill("SIGTERM");
    const { stdout, stderr } = await service.ended;
    expect(stderr).toContain('"event":"http_request"');
    expect(stderr).toContain('"actor":"ann"');
    for (const secret of [token, "wrong-guess", cookie.split("=")[1]!])
      expect(stdout + stderr).not.toContain(secret);
  });

  test("without a token serves this machine only, says so loudly, and stays open for scripts", async () => {
    const service = start({});
    const url = await address(service);
    await service.said('"event":"open_dashboard"');
    expect(new URL(url).hostname).toBe("127.0.0.1");
    await until("it is ready", async () => (await ask(url, "/readyz")).status === 200);
    expect((await ask(url, "/api/etl-tree")).status).toBe(200);
    const foreign = await ask(url, "/api/etl-tree", { headers: { host: "uee.example" } });
    expect([foreign.status, foreign.json.code]).toEqual([403, "API_HOST_REFUSED"]);
  });

  test("waits for a Redis that is not there yet: alive, not ready, and ready by itself later", async () => {
    const late = await startRedis();
    await late.kill();
    const service = startUee(["dashboard", "--port", "0"], {
      env: env({ REDIS_URL: late.url, UEE_API_TOKEN: token }),
    });
    const url = await address(service);
    expect((await ask(url, "/livez")).json).toEqual({ status: "ok" });
    const ready = await ask(url, "/readyz");
    expect([ready.status, ready.json.code]).toEqual([503, "SYS_REDIS_UNREACHABLE"]);
    const tree = await ask(url, "/api/etl-tree", { headers: bearer });
    expect([tree.status, tree.headers["retry-after"]]).toEqual([503, "1"]);
    expect(tree.json).toMatchObject({ code: "SYS_REDIS_UNREACHABLE", remedy: expect.any(String) });
    await late.restart();
    await until("it is ready", async () => (await ask(url, "/readyz")).status === 200);
    service.kill("SIGTERM");
    expect((await service.ended).code).toBe(0);
    await late.stop();
  });

  test("survives a Redis that goes away or hangs, says so to all, and goes on when it is back", async () => {
    const shaky = await startRedis({ appendonly: true });
    const service = startUee(["dashboard", "--port", "0"], {
      env: env({ REDIS_URL: shaky.url, UEE_API_TOKEN: token }),
    });
    const url = await address(service);
    const status = async (path: string) => (await ask(url, path, { headers: bearer })).status;
    await until("it is ready", async () => (await status("/readyz")) === 200);
    const stream = await followEvents(url, bearer);
    await stream.wait(({ name }) => name === "workers");

    await shaky.kill("SIGSTOP");
    expect(await status("/livez")).toBe(200);
    expect(await status("/readyz")).toBe(503);
    await until("followers see it", () =>
      stream.of("pulse").some(({ data }) => (data as { redis: string }).redis === "away"),
    );
    await shaky.kill("SIGCONT");
    await until("it is ready again", async () => (await status("/readyz")) === 200);

    await shaky.kill("SIGKILL");
    await until("it is not ready", async () => (await status("/readyz")) === 503);
    // What was seen a moment before may be told for that moment.
    await until("the overview says so", async () => (await status("/api/overview")) === 503);
    await shaky.restart();
    await until("it is ready again", async () => (await status("/api/overview")) === 200);
    const before = stream.of("pulse").length;
    await until("followers see it", () =>
      stream
        .of("pulse")
        .slice(before)
        .some(({ data }) => (data as { redis: string }).redis === "ok"),
    );
    expect(stream.ended).toBe(false);
    await shaky.stop();
  });
});

describe("uee up", () => {
  const shownAt = async (up: UeeProcess): Promise<string> => {
    await up.said(/Dashboard http\S+/);
    return /Dashboard (http\S+)/.exec(up.stderr)![1]!;
  };

  test("serves the dashboard beside its workers, and stops both", async () => {
    const up = startUee(["up", "--workers", "1", "--port", "0"], { env: env({ UEE_API_TOKEN: token }) });
    const url = await shownAt(up);
    expect((await ask(url, "/api/workers")).status).toBe(401);
    await until("a worker is live", async () => {
      const { json } = await ask(url, "/api/workers", { headers: bearer });
      return (json.workers as { health: string; state: string }[]).some(
        ({ health, state }) => health === "live" && state === "ready",
      );
    });
    up.kill("SIGTERM");
    expect((await up.ended).code).toBe(0);
    await expect(ask(url, "/livez")).rejects.toThrow();
  });

  test("takes another port where none was named and the usual one is in use", async () => {
    const first = startUee(["up", "--workers", "1"], { env: env() });
    const second = startUee(["up", "--workers", "1"], { env: env({ UEE_PREFIX: "other" }) });
    const urls = [await shownAt(first), await shownAt(second)];
    expect(new Set(urls).size).toBe(2);
    for (const url of urls) expect((await ask(url, "/livez")).status).toBe(200);
    for (const up of [first, second]) {
      up.kill("SIGTERM");
      expect((await up.ended).code).toBe(0);
    }
  });

  test("refuses a named port that is in use, and starts nothing", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await uee(["up", "--port", String(port)], { env: env() });
    other.close();
    expect(code).toBe(2);
    expect(stderr).toContain("API_CANNOT_LISTEN");
    expect(stderr).not.toContain("Workers");
  });
});

describe("uee dashboard refuses, with exit code 2,", () => {
  test("to start without REDIS_URL", async () => {
    const { code, stderr } = await uee(["dashboard", "--port", "0"], { env: bareEnv() });
    expect(code).toBe(2);
    expect(stderr).toContain("SYS_REDIS_REQUIRED");
  });

  test.each(["0.0.0.0", "::", "192.0.2.1", "uee.example"])(
    "to listen on %s without a token",
    async (host) => {
      const { code, stderr } = await uee(["dashboard", "--port", "0", "--host", host], { env: env() });
      expect(code).toBe(2);
      expect(stderr).toContain("API_TOKEN_REQUIRED");
      expect(stderr).toContain("UEE_API_TOKEN");
    },
  );

  test("a port that is in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await uee(["dashboard", "--port", String(port)], { env: env() });
    other.close();
    expect(code).toBe(2);
    expect(stderr).toContain("API_CANNOT_LISTEN");
    expect(stderr).toContain(String(port));
  });

  test.each(["70000", "-1", "http"])("the port %s", async (port) => {
    const { code, stderr } = await uee(["dashboard", `--port=${port}`], { env: env() });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--port/);
  });
});

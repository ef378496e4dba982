import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "@jest/globals";
import { startRedis } from "../../support/redisServer.js";

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
describe("the Redis of a test", () => {
  let server;
  afterEach(() => server?.stop());
  test("keeps its data and its port when it is killed and restarted with an append-only file", async () => {
    server = await startRedis({ appendonly: true });
    const client = server.client();
    await client.set("a", "1");
    const before = { pid: server.pid, url: server.url };
    await server.kill("SIGKILL");
    expect(alive(before.pid)).toBe(false);
    await server.restart();
    expect(server.url).toBe(before.url);
    expect(server.pid).not.toBe(before.pid);
    expect(await client.get("a")).toBe("1");
  });
  test("leaves neither process nor directory behind when stopped", async () => {
    server = await startRedis({ args: ["--maxmemory", "10mb"] });
    expect(await server.client().config("GET", "maxmemory")).toContain("10485760");
    await server.stop();
    expect(alive(server.pid)).toBe(false);
    expect(existsSync(server.dir)).toBe(false);
  });
});

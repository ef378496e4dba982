import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { connectRedis, type RedisConnections } from "../../../src/redis/connect.ts";
import { mapRedisError } from "../../../src/redis/errors.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { until } from "../../support/until.ts";

const failure = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return mapRedisError(error);
};

describe("connecting to Redis", () => {
  let server: TestRedis;
  let connections: RedisConnections | undefined;
  beforeAll(async () => {
    server = await startRedis({ appendonly: true });
    await server.client().call("ACL", ["SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
  });
  afterEach(() => connections?.close());
  afterAll(() => server.stop());

  test("works over TCP, over a unix socket and as an ACL user", async () => {
    const urls = [server.url, `unix:${server.socket}?db=3`, server.url.replace("//", "//app:pw@")];
    for (const url of urls) {
      connections = await connectRedis({ url });
      expect(await connections.commands.ping()).toBe("PONG");
      await connections.close();
    }
    connections = await connectRedis({ url: `unix:${server.socket}?db=3` });
    await connections.commands.set("in-three", "1");
    expect(await server.client({ db: 3 }).get("in-three")).toBe("1");
  });

  test("with a wrong password it is refused at once, and the password is not in what is said", async () => {
    const error = await failure(
      connectRedis({ url: server.url.replace("//", "//app:hunter2@"), timeoutMs: 60_000 }),
    );
    expect(error.code).toBe("SYS_REDIS_AUTH");
    expect(error.message).toContain("app:***@127.0.0.1");
    expect(error.message).not.toContain("hunter2");
  });

  test("where no server listens it gives up when its time is over and names the address", async () => {
    const error = await failure(connectRedis({ url: "redis://127.0.0.1:1", timeoutMs: 300 }));
    expect(error.code).toBe("SYS_REDIS_UNREACHABLE");
    expect(error.message).toContain("redis://127.0.0.1:1");
    const missing = await failure(connectRedis({ url: "unix:/nowhere/redis.sock", timeoutMs: 300 }));
    expect(missing.code).toBe("SYS_REDIS_UNREACHABLE");
  });

  test("a server that accepts and never answers does not hold it longer than its time", async () => {
    const mute = createServer(() => {}).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address() as { port: number };
    const error = await failure(connectRedis({ url: `redis://127.0.0.1:${address.port}`, timeoutMs: 300 }));
    expect(error.code).toBe("SYS_REDIS_TROUBLE");
    mute.close();
  });

  test("an abort ends the waiting", async () => {
    const controller = new AbortController();
    const waiting = failure(
      connectRedis({
        url: "redis://127.0.0.1:1",
        timeoutMs: Number.POSITIVE_INFINITY,
        signal: controller.signal,
      }),
    );
    controller.abort();
    expect((await waiting).code).toBe("SYS_INTERRUPTED");
  });

  test("a command under way when the connection breaks is rejected, not sent a second time", async () => {
    connections = await connectRedis({ url: server.url });
    const { commands } = connections;
    await commands.del("counter");
    const id = await commands.client("ID");
    await server.kill("SIGSTOP");
    const sent = failure(commands.incr("counter"));
    // The server runs the command, and the kill that cuts the connection comes from another client.
    commands.stream.destroy();
    expect((await sent).code).toBe("SYS_REDIS_UNREACHABLE");
    await server.kill("SIGCONT");
    await server.client().ping();
    expect(Number((await commands.get("counter")) ?? 0)).toBeLessThanOrEqual(1);
    expect(await commands.client("ID")).not.toBe(id);
  });

  test("after a restart of the server both kinds work again", async () => {
    const states: string[] = [];
    connections = await connectRedis({ url: server.url, onState: (state) => states.push(state) });
    const { commands } = connections;
    const blocking = connections.open("blocking", "list");
    await once(blocking, "ready");
    const popped = blocking.blpop("list", 0);
    await server.kill("SIGKILL");
    expect((await failure(commands.get("x"))).code).toBe("SYS_REDIS_UNREACHABLE");
    // A short interruption is not reported.
    expect(states).toEqual([]);
    await until(() => states.length === 1);
    const back = once(commands, "ready");
    await server.restart();
    await back;
    await commands.rpush("list", "item");
    expect(await popped).toEqual(["list", "item"]);
    expect(states).toEqual(["lost", "back"]);
  });
});

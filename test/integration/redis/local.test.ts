import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { localFiles } from "../../../src/redis/local/files.ts";
import { stopLocalRedis } from "../../../src/redis/local/localRedis.ts";
import { lockHolder } from "../../../src/redis/local/lock.ts";
import { CLEAN_STOP_KEY, CLOSING_KEY } from "../../../src/redis/local/server.ts";
import { parseRedisUrl } from "../../../src/redis/url.ts";
import { alive, LocalStore, nodeOnSources, supervisorCommand, until } from "../../support/localRedis.ts";

describe("the local Redis server", () => {
  let store: LocalStore;
  beforeEach(() => {
    store = new LocalStore();
  });
  afterEach(() => store.dispose());

  test("is started by the first command, which alone is told its path, and shared with the next", async () => {
    const starts: string[] = [];
    const onStart = ({ path }: { path: string }) => starts.push(path);
    const first = await store.open({ onStart, maxMemoryBytes: 100e6 });
    const second = await store.open({ onStart, create: false });
    expect([first.started, second.started]).toEqual([true, false]);
    expect(starts).toEqual([join(store.dataDir, "redis")]);
    expect(second.url).toBe(first.url);
    expect(parseRedisUrl(first.url)).toMatchObject({ path: first.socket });
    const redis = store.client(second);
    expect(await redis.config("GET", "port")).toEqual(["port", "0"]);
    expect(await redis.config("GET", "appendonly")).toEqual(["appendonly", "yes"]);
    expect(await redis.config("GET", "maxmemory")).toEqual(["maxmemory", "100000000"]);
    expect(await redis.config("GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
  });

  test("is one and the same for commands that start at the same moment", async () => {
    const argument = JSON.stringify({ dataDir: store.dataDir, supervisorCommand });
    const [program, ...args] = nodeOnSources("test/support/localRedisClient.ts");
    const children = Array.from({ length: 5 }, () =>
      spawn(program, [...args, argument], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    const answers = await Promise.all(
      children.map(async (child) => JSON.parse(String((await once(child.stdout, "data"))[0]))),
    );
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(1);
    expect(answers.filter(({ started }) => started)).toHaveLength(1);
    const handle = await store.open();
    expect(await store.client(handle).get("visits")).toBe("5");
    const exits = children.map((child) => once(child, "exit"));
    for (const child of children) child.stdin.end();
    await Promise.all(exits);
  });

  test("comes back with its data when it is killed, under the same address", async () => {
    const redis = store.client(await store.open());
    await redis.set("kept", "1");
    const pid = store.serverPid!;
    process.kill(pid, "SIGKILL");
    await until(() => store.serverPid !== undefined && store.serverPid !== pid);
    expect(await redis.get("kept")).toBe("1");
    expect(alive(pid)).toBe(false);
  });

  test("stops cleanly when no client was connected for its idle time, and nothing is left running", async () => {
    const redis = store.client(await store.open({ idleMs: 150 }));
    await redis.set("kept", "1");
    const pids = [store.supervisorPid!, store.serverPid!];
    // Connected and silent is not idle.
    await sleep(400);
    expect(pids.map(alive)).toEqual([true, true]);
    store.leave();
    await until(() => !pids.some(alive), "the stop");
    const { home, state } = localFiles(store.dataDir);
    expect([store.supervisorPid, existsSync(state)]).toEqual([undefined, false]);
    expect(readdirSync(home).filter((name) => name.includes("sock"))).toEqual([]);

    const again = store.client(await store.open({ create: false }));
    expect(await again.get("kept")).toBe("1");
    const cleanStop = Number(await again.get(CLEAN_STOP_KEY));
    const [seconds] = await again.time();
    expect(cleanStop / 1e6).toBeGreaterThan(Number(seconds) - 60);
    expect(cleanStop / 1e6).toBeLessThanOrEqual(Number(seconds) + 1);
  });

  test("does not claim a clean stop after a crash", async () => {
    await store.open();
    await stopLocalRedis(store.dataDir);
    store.leave();
    const redis = store.client(await store.open());
    expect(await redis.exists(CLEAN_STOP_KEY)).toBe(1);
    const pid = store.serverPid!;
    process.kill(pid, "SIGKILL");
    await until(() => store.serverPid !== undefined && store.serverPid !== pid);
    // Asked over connections that were waiting for the server: none of them may see the old claim.
    expect(await redis.exists(CLEAN_STOP_KEY)).toBe(0);
    const after = store.client(await store.open());
    expect(await after.exists(CLEAN_STOP_KEY)).toBe(0);
  });

  test("is never handed out while it stops", async () => {
    // Idle times as short as the pauses between commands: most stops race with a start.
    for (let round = 0; round < 25; round++) {
      const handle = await store.open({ idleMs: 100 });
      const redis = store.client(handle);
      await redis.incr("rounds");
      store.leave();
      await sleep(60 + round * 4);
    }
    const redis = store.client(await store.open());
    expect(await redis.get("rounds")).toBe("25");
  });

  test("is not handed out as long as it says that it closes", async () => {
    const redis = store.client(await store.open());
    await redis.set(CLOSING_KEY, "1");
    let handed = false;
    const opening = store.open().then(() => {
      handed = true;
    });
    await sleep(200);
    expect(handed).toBe(false);
    await redis.del(CLOSING_KEY);
    await opening;
  });

  test("is taken over by the next command when its supervisor was killed", async () => {
    await store.client(await store.open()).set("kept", "1");
    const [supervisor, server] = [store.supervisorPid!, store.serverPid!];
    process.kill(supervisor, "SIGKILL");
    // Its last thread closes its socket.
    await until(async () => (await lockHolder(localFiles(store.dataDir))) === undefined);
    store.leave();
    const handle = await store.open({ idleMs: 150 });
    expect(handle.started).toBe(true);
    expect(store.serverPid).toBe(server);
    expect(store.supervisorPid).not.toBe(supervisor);
    expect(await store.client(handle).get("kept")).toBe("1");
    store.leave();
    await until(() => !alive(server), "the stop by the new supervisor");
  });

  test("starts with its data when server and supervisor were killed, past the lock they left", async () => {
    await store.client(await store.open()).set("kept", "1");
    const pids = [store.supervisorPid!, store.serverPid!];
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await until(() => !pids.some(alive));
    store.leave();
    expect(store.supervisorPid).toBe(pids[0]);
    const handle = await store.open({ create: false });
    expect(await store.client(handle).get("kept")).toBe("1");
  });

  test("is not created by a command that only reads, which says what to do instead", async () => {
    await expect(store.open({ create: false })).rejects.toMatchObject({ code: "SYS_NO_STORE" });
    expect(existsSync(join(store.dataDir, "redis"))).toBe(false);
  });

  test("is stopped for good when asked, with clients connected, and asking twice does no harm", async () => {
    const redis = store.client(await store.open());
    await redis.ping();
    const pids = [store.supervisorPid!, store.serverPid!];
    await stopLocalRedis(store.dataDir);
    expect(pids.map(alive)).toEqual([false, false]);
    await stopLocalRedis(store.dataDir);
  });

  test("without redis-server says which command installs it", async () => {
    const path = process.env.PATH;
    process.env.PATH = "";
    try {
      await expect(store.open()).rejects.toMatchObject({
        code: "SYS_REDIS_MISSING",
        message: expect.stringContaining("redis-server"),
      });
    } finally {
      process.env.PATH = path;
    }
  });

  test("that cannot start is reported with its own words and its log", async () => {
    const { home } = localFiles(store.dataDir);
    mkdirSync(join(home, "appendonlydir"), { recursive: true });
    writeFileSync(join(home, "appendonlydir", "appendonly.aof.manifest"), "this is no manifest\n");
    await expect(store.open()).rejects.toMatchObject({
      code: "SYS_REDIS_LOCAL_FAILED",
      message: expect.stringMatching(/manifest[\s\S]*redis\.log/),
    });
    expect(store.supervisorPid).toBeUndefined();
  });

  test("works under a path too long for a socket", async () => {
    const long = new LocalStore(join(store.dataDir, "x".repeat(90), "y".repeat(90)));
    try {
      const handle = await long.open();
      expect(handle.socket.length).toBeLessThan(100);
      expect(await long.client(handle).ping()).toBe("PONG");
    } finally {
      // Cleanly, or its socket would stay outside the directory.
      await stopLocalRedis(long.dataDir);
      await long.dispose();
    }
  });

  test("ends when its directory is deleted under it", async () => {
    const handle = await store.open({ idleMs: 1_000 });
    const pids = [store.supervisorPid!, store.serverPid!];
    await store.client(handle).ping();
    rmSync(store.dataDir, { recursive: true, force: true });
    await until(() => !pids.some(alive), "the end");
  });
});

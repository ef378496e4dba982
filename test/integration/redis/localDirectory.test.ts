/** One data directory has one server, whatever hostname, container or user looks at it; or an error that names it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { localFiles } from "../../../src/redis/local/files.ts";
import { lockHolder } from "../../../src/redis/local/lock.ts";
import {
  alive,
  LocalStore,
  nodeOnSources,
  supervisorCommand,
  until,
  writtenSupervisor,
} from "../../support/localRedis.ts";

const hostname = ["unshare", "-u", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"];
const container = ["unshare", "-p", "-u", "-f", "--mount-proc", ...hostname.slice(2)];
const numberedUser = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"];

const works = (command: string, ...args: string[]) =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0;
const namespaces = process.platform === "linux" && works("unshare", "-p", "-f", "--mount-proc", "true");
const asRoot = process.getuid?.() === 0 && works("setpriv", "--reuid", "12345", "true");
const withNamespaces = namespaces ? test : test.skip;
const withUsers = asRoot && namespaces ? test : test.skip;
/** A checkout under root's home cannot be run by another user. */
const asNumberedUser =
  asRoot && works("setpriv", ...numberedUser.slice(1), "test", "-r", supervisorCommand.at(-1)!)
    ? test
    : test.skip;
if (!namespaces) console.warn("Without the right to make namespaces, tests of containers are skipped.");

interface Answer {
  started?: boolean;
  pid?: number;
  code?: string;
  message?: string;
}

describe("a data directory", () => {
  let store: LocalStore;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    store = new LocalStore();
  });
  afterEach(async () => {
    await Promise.all(
      children.splice(0).map(async (child) => {
        child.stdin?.end();
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      }),
    );
    for (const pid of processesOf(store.dataDir)) process.kill(pid, "SIGKILL");
    await until(() => processesOf(store.dataDir).length === 0, "the end of what was started");
    await store.dispose();
  });

  /** Runs the client under a prefix of commands; it stays until the test ends. */
  async function client(prefix: string[] = [], dataDir = store.dataDir, env = process.env): Promise<Answer> {
    const argument = JSON.stringify({ dataDir, supervisorCommand });
    const [program, ...args] = [...prefix, ...nodeOnSources("test/support/localRedisClient.ts"), argument];
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "inherit"], env });
    children.push(child);
    return JSON.parse(String((await once(child.stdout!, "data"))[0]));
  }

  const served = (answers: Answer[]) => ({
    refused: answers.filter(({ code }) => code !== undefined),
    started: answers.filter(({ started }) => started).length,
    servers: serversOf(store.dataDir).length,
  });

  const oneServer = { refused: [], started: 1, servers: 1 };

  withNamespaces("is served by one server to commands under two hostnames, one after the other", async () => {
    expect(served([await client(), await client(hostname), await client()])).toEqual(oneServer);
  });

  withNamespaces("is served by one server to a container and its host, in either order", async () => {
    expect(served([await client(container), await client(), await client(container)])).toEqual(oneServer);
  });

  withNamespaces("is served by one server to four containers and hostnames that start at once", async () => {
    const answers = await Promise.all([container, hostname, container, []].map((prefix) => client(prefix)));
    expect(served(answers)).toEqual(oneServer);
    const redis = store.client(await store.open());
    expect(await redis.get("visits")).toBe("4");
  });

  withNamespaces("keeps its data when the container that served it is gone", async () => {
    await client(container);
    const [first] = children;
    first!.stdin!.end();
    await until(() => serversOf(store.dataDir).length === 0, "the container's end");
    const handle = await store.open();
    expect(handle.started).toBe(true);
    expect(await store.client(handle).get("visits")).toBe("1");
  });

  withNamespaces("is taken over from a server whose supervisor was killed in another container", async () => {
    await client(container);
    const [supervisor] = processesOf(store.dataDir).filter((pid) =>
      commandOf(pid).includes("supervisorMain.ts {"),
    );
    process.kill(supervisor!, "SIGKILL");
    await until(async () => (await lockHolder(localFiles(store.dataDir))) === undefined);
    expect(serversOf(store.dataDir)).toHaveLength(1);
    const handle = await store.open();
    expect(handle.started).toBe(true);
    expect(serversOf(store.dataDir)).toHaveLength(1);
    expect(await store.client(handle).get("visits")).toBe("1");
  });

  test("left by an earlier boot is served again", async () => {
    await store.client(await store.open()).set("kept", "1");
    const pids = [store.supervisorPid!, store.serverPid!];
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await until(() => !pids.some(alive));
    store.leave();
    const home = join(store.dataDir, "redis");
    const lock = readdirSync(home).find((name) => name.startsWith("keeper.lock"))!;
    writeFileSync(
      join(home, lock),
      JSON.stringify({ ...writtenSupervisor(store.dataDir), boot: "earlier", pid: 1 }),
    );
    expect(await store.client(await store.open()).get("kept")).toBe("1");
  });

  withNamespaces("under a path too long for a socket is shared with a container all the same", async () => {
    const long = join(store.dataDir, "x".repeat(90), "y".repeat(90));
    mkdirSync(long, { recursive: true });
    const answers = [await client([], long), await client(container, long)];
    expect(served(answers)).toEqual(oneServer);
  });

  asNumberedUser("is served to a user id without a name and without HOME", async () => {
    chownSync(store.dataDir, 12345, 12345);
    const { HOME: _home, USER: _user, LOGNAME: _logname, ...env } = process.env;
    const answer = await client(numberedUser, store.dataDir, env);
    expect(answer).toMatchObject({ started: true });
  });

  asNumberedUser("of another user's server is an error that says so, and no second server", async () => {
    await client();
    chmodSync(store.dataDir, 0o755);
    const answer = await client(numberedUser);
    expect(answer).toMatchObject({
      code: "SYS_DATA_DIR",
      message: named(store.dataDir, "permission denied"),
    });
    expect(serversOf(store.dataDir)).toHaveLength(1);
  });

  withUsers(
    "that belongs to another user is not filled with files that this user could not read",
    async () => {
      mkdirSync(join(store.dataDir, "redis"));
      chownSync(join(store.dataDir, "redis"), 12345, 12345);
      expect(await client()).toMatchObject({
        code: "SYS_DATA_DIR",
        message: named(store.dataDir, "belongs to the user 12345"),
      });
    },
  );

  const mounted = (options: string) => [
    "unshare",
    "-m",
    "sh",
    "-c",
    `mkdir -p "$UEE_TEST_MOUNT" && mount -t tmpfs -o ${options} tmpfs "$UEE_TEST_MOUNT" && exec "$@"`,
    "sh",
  ];

  withUsers("on a read-only file system is an error", async () => {
    const dir = join(store.dataDir, "mounted");
    const env = { ...process.env, UEE_TEST_MOUNT: dir };
    const answer = await client(mounted("ro"), dir, env);
    expect(answer).toMatchObject({ code: "SYS_DATA_DIR", message: named(dir, "read-only") });
  });

  withUsers("on a full disk is an error, and nothing stays behind", async () => {
    const dir = join(store.dataDir, "mounted");
    const env = { ...process.env, UEE_TEST_MOUNT: dir };
    const answer = await client(mounted("size=32k"), dir, env);
    expect(answer).toMatchObject({ code: "SYS_DATA_DIR", message: named(dir, "disk is full") });
  });

  test.each([
    ["a plain file", () => join(store.dataDir, "file"), "not a directory"],
    ["a place where nothing can be made", () => "/proc/x", "cannot be created"],
  ])("that is %s is an error that names it", async (_what, path, why) => {
    writeFileSync(join(store.dataDir, "file"), "");
    await expect(store.open()).resolves.toBeDefined();
    const other = new LocalStore(path());
    await expect(other.open()).rejects.toMatchObject({ code: "SYS_DATA_DIR", detail: named(path(), why) });
    expect(processesOf(path())).toEqual([]);
  });

  test("whose supervisor cannot be started is an error at once", async () => {
    await expect(store.open({ supervisorCommand: ["/nowhere/node"] })).rejects.toMatchObject({
      code: "SYS_REDIS_LOCAL_FAILED",
      detail: expect.stringContaining("/nowhere/node"),
    });
    const failing: [string, ...string[]] = [process.execPath, "-e", "throw new Error('no supervisor here')"];
    await expect(store.open({ supervisorCommand: failing })).rejects.toMatchObject({
      code: "SYS_REDIS_LOCAL_FAILED",
      detail: expect.stringContaining("no supervisor here"),
    });
  });

  test("whose server cannot load its data leaves no process behind", async () => {
    const home = join(store.dataDir, "redis", "appendonlydir");
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "appendonly.aof.manifest"), "this is no manifest\n");
    await expect(store.open()).rejects.toMatchObject({ code: "SYS_REDIS_LOCAL_FAILED" });
    expect(processesOf(store.dataDir)).toEqual([]);
  });
});

const named = (dataDir: string, why: string) =>
  expect.stringMatching(new RegExp(`${dataDir.replaceAll("/", "\\/")}.*${why}`));

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
};

function cwdOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

/** All processes of this machine, in whatever namespace, that the directory's name leads to: supervisors, servers, clients. */
function processesOf(dataDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (pid) =>
        pid !== process.pid &&
        alive(pid) &&
        (commandOf(pid).includes(dataDir) || cwdOf(pid).startsWith(dataDir)),
    );
}

const serversOf = (dataDir: string): number[] =>
  processesOf(dataDir).filter((pid) => commandOf(pid).startsWith("redis-server"));

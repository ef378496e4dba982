/**
 * A real redis-server for one test file: own temporary directory, own loopback port (kept over restarts), and nothing left
 * behind, even where the test process itself is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";
import { fakeClockEnvironment, setFakeClock } from "./fakeClock.ts";

export interface RedisServerOptions {
  /** Keep data over `restart()` in an append-only file, written at every command. Default: nothing is kept. */
  appendonly?: boolean;
  /** More arguments, e.g. `["--maxmemory", "10mb"]`. */
  args?: string[];
  /** Where `args` set `requirepass`: the password, for our own connections. */
  password?: string;
  /** A file that may not grow (RLIMIT_FSIZE) is an error of writing then, as a full disk is, and not the server's end. */
  ignoreFileSizeSignal?: boolean;
  /** Its clock can be set with `setClock` (needs libfaketime, see fakeClock.ts). */
  fakeClock?: boolean;
  /** Directory for the data; left in place at `stop()`. Default: a temporary one, removed at `stop()`. */
  dir?: string;
}

/** What takes connections, over the client of one server. */
export const oneServer = (redis: Redis) => ({
  of: () => redis,
  servers: async () => [{ name: "redis", redis, serves: () => true }],
  topology: undefined,
});

export interface TestRedis {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** The same server's unix socket. */
  readonly socket: string;
  /** Process id of the server that runs now. */
  readonly pid: number;
  readonly dir: string;
  /** What the server printed. */
  log(): Promise<string>;
  /** Sends the signal; for those that end the server, resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same port and directory, ending it first where it still runs (SIGKILL). */
  restart(): Promise<void>;
  /** Sets its clock so many ms after (or before) the machine's; it holds over restarts. Only with `fakeClock`. */
  setClock(offsetMs: number): void;
  /** Ends clients and server and removes the temporary directory. May be called twice. */
  stop(): Promise<void>;
  /** A client that is closed at `stop()`. It reconnects quickly and keeps quiet about it. */
  client(options?: RedisOptions): Redis;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<TestRedis> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "uee-test-redis-")));
  const socket = join(dir, "redis.sock");
  const clients: Redis[] = [];
  let port = await freePort();
  let running = await launchOnFreePort();

  async function launchOnFreePort(): Promise<Running> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await launch({ port, dir, socket, options });
      } catch (error) {
        // Another process may have taken the port since it was found free.
        if (attempt >= 5 || !String(error).includes("in use")) throw error;
        port = await freePort();
      }
    }
  }

  return {
    get url() {
      return `redis://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    socket,
    get pid() {
      return running.pid;
    },
    dir,
    log: () => readFile(join(dir, "redis.log"), "utf8"),
    kill: (signal = "SIGKILL") => running.kill(signal),
    async restart() {
      await running.kill("SIGKILL");
      running = await launch({ port, dir, socket, options });
    },
    setClock(offsetMs) {
      if (!options.fakeClock) throw new Error("this server was started without fakeClock");
      setFakeClock(dir, offsetMs);
    },
    async stop() {
      for (const client of clients.splice(0)) if (client.status !== "end") client.disconnect();
      await running.kill("SIGKILL");
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
    client(clientOptions = {}) {
      const client = new Redis(port, "127.0.0.1", {
        retryStrategy: () => 50,
        // Between two attempts ioredis would otherwise hold the process for 2 s.
        disconnectTimeout: 100,
        password: options.password,
        ...clientOptions,
      });
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
  };
}

interface Running {
  readonly pid: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

interface Launch {
  port: number;
  dir: string;
  socket: string;
  options: RedisServerOptions;
}

async function launch({ port, dir, socket, options }: Launch): Promise<Running> {
  // Each write is in the kernel before its answer is sent, which outlives a server that is killed. Only a machine that dies
  // loses it, and waiting for the disk at every write takes most of the time of a test.
  const persistence = options.appendonly
    ? ["--appendonly", "yes", "--appendfsync", "no"]
    : ["--appendonly", "no"];
  const program = options.ignoreFileSizeSignal
    ? ["sh", "-c", 'trap "" XFSZ; exec redis-server "$@"', "sh"]
    : ["redis-server"];
  const child = spawn(
    program[0]!,
    [
      ...program.slice(1),
      ...["--port", String(port), "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", dir],
      ...["--save", "", "--logfile", join(dir, "redis.log"), "--daemonize", "no"],
      ...persistence,
      ...(options.args ?? []),
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...(options.fakeClock ? fakeClockEnvironment(dir) : {}) },
    },
  );
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
  const spawned = await Promise.race([
    once(child, "spawn").then(() => true),
    once(child, "error").then(([error]) => error as Error),
  ]);
  if (spawned !== true) throw new Error(`redis-server could not be started; is it installed? ${spawned}`);
  const pid = child.pid!;
  const guard = startGuard(pid, options.dir === undefined ? dir : undefined);
  const exited = once(child, "exit").then(() => guard.kill("SIGKILL"));

  try {
    await answersPing(port, child, options.password);
  } catch (error) {
    child.kill("SIGKILL");
    await exited;
    const log = await readFile(join(dir, "redis.log"), "utf8").catch(() => "");
    throw new Error(`redis-server did not come up: ${error}\n${Buffer.concat(output)}${log}`);
  }
  return {
    pid,
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      if (signal !== "SIGSTOP" && signal !== "SIGCONT") await exited;
    },
  };
}

/** Waits for a pipe to us to close, which it does however we end, then ends the server. */
function startGuard(pid: number, dir: string | undefined): ChildProcess {
  const guard = spawn(
    "sh",
    ["-c", 'read -r _; kill -KILL "$1" 2>/dev/null; [ -z "$2" ] || rm -rf "$2"', "sh", `${pid}`, dir ?? ""],
    { stdio: ["pipe", "ignore", "ignore"], detached: true },
  );
  guard.unref();
  return guard;
}

async function answersPing(port: number, child: ChildProcess, password?: string): Promise<void> {
  const probe = new Redis(port, "127.0.0.1", {
    lazyConnect: true,
    retryStrategy: () => 20,
    disconnectTimeout: 100,
    password,
  });
  probe.on("error", () => {});
  try {
    // ioredis answers only once the server has loaded its data.
    await Promise.race([
      probe.ping(),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with code ${code}`))),
      sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error("no answer in 20 s"))),
    ]);
    // Another server may answer on this port while ours could not bind it.
    const serverPid = /process_id:(\d+)/.exec(await probe.info("server"))?.[1];
    if (Number(serverPid) !== child.pid) throw new Error(`port ${port} is in use by another server`);
  } finally {
    probe.disconnect();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

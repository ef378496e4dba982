/**
 * A real PostgreSQL for one test file: own temporary directory and unix socket, no port, and nothing left behind, even where
 * the test process itself is killed. It refuses to run as root: then Debian's user `postgres` runs it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { until } from "./until.ts";

const packages = "/usr/lib/postgresql";
const bin = (existsSync(packages) ? readdirSync(packages) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(packages, version, "bin"))
  .find((path) => existsSync(join(path, "initdb")));

export const hasPostgres = bin !== undefined;
if (!hasPostgres) process.stderr.write("skipped: no PostgreSQL (Debian's package postgresql)\n");

export interface TestPostgres {
  /** For UEE_POSTGRES_URL. */
  readonly url: string;
  query<Row extends object>(text: string): Promise<Row[]>;
  /** SIGKILL and gone. */
  kill(): Promise<void>;
  /** After `kill`: the same data on the same socket. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(settings: string[] = []): Promise<TestPostgres> {
  const dir = await mkdtemp(join(tmpdir(), "uee-test-postgres-"));
  const root = process.getuid?.() === 0;
  const ids = root ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (root) chownSync(dir, ids.uid!, ids.gid!);
  const data = join(dir, "data");
  const init = ["-D", data, "-U", "uee", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin!, "initdb"), init, { ...ids, cwd: dir, stdio: "ignore" });
  const url = `postgres://uee@/postgres?host=${encodeURIComponent(dir)}`;
  let child: ChildProcess;

  const client = async (): Promise<pg.Client> => {
    const one = new pg.Client({ connectionString: url });
    one.on("error", () => undefined);
    await one.connect();
    return one;
  };
  const answers = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}`);
    try {
      await (await client()).end();
      return true;
    } catch {
      return false;
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    // Empty while it starts; process 0 would be our own group.
    const sessions = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")
      .split(" ")
      .filter((pid) => Number(pid) > 0);
    child.kill("SIGKILL");
    await gone;
    // By themselves they end only when they notice that their parent is gone, and commit until then.
    for (const pid of sessions) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  };
  const start = async (): Promise<void> => {
    const options = [
      "-k",
      dir,
      "-c",
      "listen_addresses=",
      "-c",
      "fsync=off",
      ...settings.flatMap((one) => ["-c", one]),
    ];
    child = spawn(join(bin!, "postgres"), ["-D", data, ...options], { ...ids, cwd: dir, stdio: "ignore" });
    const guard = spawn("sh", ["-c", 'read -r _; kill -KILL "$1" 2>/dev/null', "sh", `${child.pid}`], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    guard.unref();
    child.once("exit", () => guard.kill("SIGKILL"));
    await until(answers);
  };
  await start();
  return {
    url,
    async query(text) {
      const one = await client();
      try {
        return (await one.query(text)).rows;
      } finally {
        await one.end();
      }
    },
    kill,
    async start() {
      // The old postmaster's children hold the shared memory for a moment.
      for (let attempt = 1; ; attempt++) {
        try {
          return await start();
        } catch (error) {
          if (attempt >= 20) throw error;
        }
      }
    },
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const idOf = (flag: "-u" | "-g"): number =>
  Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));

// A PostgreSQL of our own behind a unix socket, with its default settings. It refuses to run as root: then as `postgres`.
import { execFileSync, spawn } from "node:child_process";
import { chownSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { postgresBin } from "../../scripts/lib/postgres.mjs";
import { tracked } from "./processes.mjs";

/** Starts one, passes its URL and a function for queries to `work`, and removes everything afterwards. */
export async function withPostgres(work) {
  const bin = postgresBin();
  if (bin === undefined) throw new Error("There is no PostgreSQL (Debian's package postgresql).");
  const dir = await mkdtemp(join(tmpdir(), "uee-bench-postgres-"));
  const owner = process.getuid() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (owner.uid !== undefined) chownSync(dir, owner.uid, owner.gid);
  const data = join(dir, "data");
  const options = { ...owner, cwd: dir, stdio: "ignore" };
  const init = ["-D", data, "-U", "uee", "--auth=trust", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), init, options);
  const settings = ["listen_addresses=", "track_commit_timestamp=on"].flatMap((one) => ["-c", one]);
  const server = tracked(spawn(join(bin, "postgres"), ["-D", data, "-k", dir, ...settings], options));
  const gone = new Promise((done) => server.once("exit", done));
  const url = `postgres://uee@/postgres?host=${encodeURIComponent(dir)}`;
  const query = async (text) => {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  try {
    while (!(await query("SELECT 1").catch(() => undefined))) {
      if (server.exitCode !== null) throw new Error("postgres ended at its start");
      await sleep(50);
    }
    return await work({ url, query });
  } finally {
    server.kill("SIGQUIT");
    await gone;
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

const idOf = (flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { providers } from "../../src/providers/registry.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { bareEnv, killAll, startUee, uee, until } from "./cliSupport.ts";

/** Short: a socket's path has little room. */
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "uee-"));
});

afterEach(() => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});

/** Command lines of living processes that name our directory. */
const leftovers = (): string[] =>
  execFileSync("ps", ["-eo", "stat=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(directory) && !line.startsWith("Z"));

describe("without REDIS_URL", () => {
  let simulator: Simulator;
  let env: NodeJS.ProcessEnv;

  beforeEach(async () => {
    simulator = await startSimulator({ cves: 200, cwes: 10, capecs: 10, attackObjects: 20 });
    env = bareEnv({
      UEE_DATA_DIR: join(directory, "data"),
      UEE_LOCAL_REDIS_IDLE: "200ms",
      ...environmentOf(simulator),
    });
  });

  afterEach(() => simulator.close());

  test("a run starts its own Redis, which commands share, reading commands find, and which ends when idle", async () => {
    const [one, other] = await Promise.all([
      uee(["run", "cve", "--json"], { env }),
      uee(["run", "cwe", "--json"], { env }),
    ]);
    expect([one.code, other.code]).toEqual([0, 0]);
    expect(one.stderr).toContain(join(directory, "data"));
    await until("the server has stopped", () => leftovers().length === 0);

    const status = await uee(["status", "--json"], { env });
    expect(status.code).toBe(0);
    const { providers } = JSON.parse(status.stdout) as { providers: { provider: string; records: number }[] };
    expect(providers.find(({ provider }) => provider === "cve")?.records).toBe(200);
    await until("the server has stopped", () => leftovers().length === 0);
  });

  test("`up` brings Redis and workers; runs from beside it are theirs; nothing stays", async () => {
    const up = startUee(["up", "--workers", "1"], { env });
    await up.said(/is ready/);
    const opened = await uee(["run", "all", "--json"], { env });
    expect(opened.code).toBe(0);
    // Without --wait and with a live worker the command only opens the runs.
    expect(JSON.parse(opened.stdout).runs.map(({ error }: { error: unknown }) => error)).toEqual(
      providers.map(() => null),
    );
    expect((await uee(["run", "all", "--wait", "--json"], { env })).code).toBe(0);
    expect((await uee(["status", "--check", "--max-age", "1h"], { env })).code).toBe(0);
    up.kill("SIGTERM");
    expect((await up.ended).code).toBe(0);
    await until("its processes are gone", () => leftovers().length === 0);
  });

  test("reading commands never create a store", async () => {
    for (const command of [["status"], ["get", "CVE-2021-44228"], ["export", "cve"], ["dlq", "list"]]) {
      const { code, stdout, stderr } = await uee(command, { env });
      expect(code).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toContain("SYS_NO_STORE");
    }
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("uee demo", () => {
  test("mirrors through faults, follows changes, compares, and leaves nothing behind", async () => {
    const { code, stdout, stderr } = await uee(["demo", "--cves", "1500"], {
      env: bareEnv({ TMPDIR: directory, REDIS_URL: "redis://127.0.0.1:1", NVD_API_KEY: "not-used" }),
    });
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("answers broken on purpose");
    expect(stdout.match(/Equal to the upstreams/g)).toHaveLength(2);
    expect(stdout).toContain("run all --wait");
    expect(readdirSync(directory)).toEqual([]);
    await until("its processes are gone", () => leftovers().length === 0);
  });
});

/** Every example runs as its line in examples/README.md says: against a worker and a dashboard of this checkout. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv, killAll, startUee, uee, until } from "./cliSupport.ts";
import { killRunning, runLine, startLine } from "./examplesSupport.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "examples/README.md"), "utf8");

/** The one line of the README that runs this file. */
function lineOf(file: string): string {
  const lines = [...readme.matchAll(/^\|.*\| `([^`]+)` \|$/gm)].map((match) => match[1]!);
  const found = lines.filter((line) => line.includes(`examples/${file}`));
  if (found.length !== 1) throw new Error(`${found.length} lines of examples/README.md run ${file}`);
  return found[0]!;
}

/** A checkout of the same files in a place where the examples may write. */
let checkout: string;
let redis: TestRedis;
let simulator: Simulator;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  checkout = mkdtempSync(join(tmpdir(), "uee-examples-"));
  for (const name of readdirSync(root)) {
    if (name !== ".git" && name !== ".venv") symlinkSync(join(root, name), join(checkout, name));
  }
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ cves: 200, cwes: 10, capecs: 10, attackObjects: 20 });
  const base = bareEnv({
    REDIS_URL: redis.url,
    UEE_API_TOKEN: "a-token-for-tests",
    ...environmentOf(simulator),
  });
  const dashboard = startUee(["dashboard", "--port", "0"], { env: { ...base, UEE_LOG_FORMAT: "json" } });
  await dashboard.said('"event":"listening"');
  env = { ...base, API_URL: /"url":"(http:[^"]+)"/.exec(dashboard.stderr)![1]!.replace(/\/$/, "") };
  const worker = startUee(["worker"], { env });
  await worker.said("is ready");
});
afterEach(killRunning);
afterAll(async () => {
  killAll();
  await simulator.close();
  await redis.stop();
  rmSync(checkout, { recursive: true, force: true });
});

describe("each example runs as its line says", () => {
  test("every file has one", () => {
    for (const file of ["mirror-and-follow.ts", "nightly.sh", "open_run.py", "air-gap.sh"])
      expect(lineOf(file)).toBeTruthy();
  });

  test("TypeScript: mirrors, follows, and goes on after the last change when it is started again", async () => {
    const line = lineOf("mirror-and-follow.ts");
    const cursor = join(checkout, "changes.cursor");
    const urns = (stdout: string) =>
      stdout
        .trim()
        .split("\n")
        .map((text) => (JSON.parse(text) as { urn: string }).urn);

    const first = startLine(line, { cwd: checkout, env });
    await until("200 changes", () => first.stdout.split("\n").length > 200);
    first.kill("SIGINT");
    const ended = await first.ended;
    expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 });
    expect(ended.stderr).toContain("cve: complete, 200 created");
    expect(ended.stderr).toContain("stopped; 200 changes handled");
    expect(new Set(urns(ended.stdout)).size).toBe(200);
    expect(readFileSync(cursor, "utf8")).toBe(
      (JSON.parse(ended.stdout.trim().split("\n").at(-1)!) as { cursor: string }).cursor,
    );

    const { added, modified, rejected } = simulator.setPoint("after").cve;
    const second = startLine(line, { cwd: checkout, env });
    const expected = new Set([...added, ...modified, ...rejected].map((id) => `v2e::nvd::cve::${id}`));
    await until("the changes", () => second.stdout.split("\n").length > expected.size);
    second.kill("SIGTERM");
    expect((await second.ended).code).toBe(0);
    expect(new Set(urns(second.stdout))).toEqual(expected);
  });

  test("Shell: asks for a run over HTTP, waits, and hands on what changed since the last time", async () => {
    const line = lineOf("nightly.sh");
    const first = await runLine(line, { cwd: checkout, env });
    expect({ code: first.code, stderr: first.stderr.replace(/^(run|\d).*$/gm, "").trim() }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(first.stdout).toContain('"state": "complete"');
    expect(first.stdout).toMatch(/^\d+ created/m);
    const again = await runLine(line, { cwd: checkout, env });
    expect(again.code).toBe(0);
    expect(again.stdout).not.toContain("created,");
    expect(again.stdout).not.toMatch(/^\d+ created/m);

    expect((await uee(["pause", "cve", "--reason", "NVD moves"], { env })).code).toBe(0);
    const refused = await runLine(line, { cwd: checkout, env });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/PROV_PAUSED: .*NVD moves/);
    expect((await uee(["resume", "cve"], { env })).code).toBe(0);
    const unauthorized = await runLine(line, { cwd: checkout, env: { ...env, UEE_API_TOKEN: "wrong" } });
    expect(unauthorized.stderr).toContain("API_UNAUTHORIZED");
  });

  test("Air gap: the first bundle is whole, the next a delta, and both arrive signed", async () => {
    const line = lineOf("air-gap.sh");
    const inside = { env: { ...env, UEE_PREFIX: "inside" } };
    const dataOf = (stdout: string) =>
      stdout
        .trim()
        .split("\n")
        .map((text) => (JSON.parse(text) as { data: unknown }).data);
    const [whole, delta] = [/^cve: \d+ records$/m, /^cve: 3 new or changed, 0 removed$/m];
    for (const [file, what] of [
      ["0001.bundle", whole],
      ["0002.bundle", delta],
    ] as const) {
      const carried = await runLine(line, { cwd: checkout, env });
      expect({ code: carried.code, stderr: carried.code === 0 ? "" : carried.stderr }).toMatchObject({
        code: 0,
      });
      expect(carried.stdout).toMatch(what);
      expect(carried.stdout).toMatch(/is intact; signed with the key [0-9a-f]{16}$/m);
      expect(carried.stderr).not.toContain("older than a week");
      expect(readdirSync(join(checkout, "carrier"))).toContain(file);
      const [here, there] = await Promise.all([
        uee(["export", "cve"], inside),
        uee(["export", "cve"], { env }),
      ]);
      expect(dataOf(here.stdout)).toEqual(dataOf(there.stdout));
      simulator.mutate({ provider: "cve", modify: 3 });
    }
  });

  test("Python: opens a run with the official BullMQ package and prints its result", async () => {
    const line = lineOf("open_run.py");
    const setup = line.slice(0, line.lastIndexOf("&&"));
    const pip = Object.fromEntries(
      Object.entries(process.env).filter(([name]) =>
        /^(PIP_|UV_|HTTPS?_PROXY|https?_proxy|SSL_CERT_)/.test(name),
      ),
    );
    const ready = await runLine(setup, { cwd: checkout, env: { ...env, ...pip } });
    if (ready.code !== 0) {
      const why = ready.stderr.trim().split("\n").at(-1);
      process.stderr.write(`SKIPPED: examples/open_run.py: Python's bullmq cannot be had here: ${why}\n`);
      return;
    }
    const done = await runLine(line, { cwd: checkout, env: { ...env, ...pip } });
    expect({ code: done.code, stderr: done.code === 0 ? "" : done.stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(done.stdout)).toMatchObject({ provider: "cve", state: "complete", error: null });

    await uee(["pause", "cve"], { env });
    const refused = await runLine(line, { cwd: checkout, env: { ...env, ...pip } });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("PROV_PAUSED");
    await uee(["resume", "cve"], { env });
  });
});

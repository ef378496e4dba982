/** The library as others get it: packed, unpacked into another folder, types checked there, and run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { environmentOf } from "../../src/cli/commands/simulate.ts";
import { type Simulator, startSimulator } from "../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { bareEnv } from "./cliSupport.ts";
import { runNode } from "./examplesSupport.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

let folder: string;
let redis: TestRedis;
let simulator: Simulator;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uee-library-"));
  install(folder);
  redis = await startRedis({ appendonly: true });
  simulator = await startSimulator({ extremes: true, cves: 60, cwes: 5, capecs: 5, attackObjects: 10 });
});
afterAll(async () => {
  await simulator.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What `npm install <tarball>` would leave, without asking a registry for what lies here already. */
function install(into: string): void {
  const modules = join(into, "node_modules");
  mkdirSync(join(modules, "uee"), { recursive: true });
  const env = { ...process.env, NODE_OPTIONS: "" };
  execFileSync("npm", ["pack", "--silent", "--pack-destination", into], { cwd: root, env, stdio: "pipe" });
  const tarball = readdirSync(into).find((name) => name.endsWith(".tgz"))!;
  execFileSync("tar", ["-xzf", join(into, tarball), "-C", join(modules, "uee"), "--strip-components=1"]);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(into, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
}

/** The compiler's complaints about a file of the other folder; empty when it has none. */
function compile(name: string, source: string): string {
  writeFileSync(join(folder, `${name}.ts`), source);
  const options = [
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--lib",
    "es2023,esnext.disposable",
  ];
  try {
    execFileSync(
      process.execPath,
      [
        join(root, "node_modules/typescript/bin/tsc"),
        ...options,
        "--types",
        "node",
        "--skipLibCheck",
        `${name}.ts`,
      ],
      { cwd: folder, stdio: "pipe", env: { ...process.env, NODE_OPTIONS: "" } },
    );
    return "";
  } catch (error) {
    return String((error as { stdout?: Buffer }).stdout);
  }
}

describe("the packed library", () => {
  test("mirrors, reads and follows from another folder, with types checked", async () => {
    const complaints = compile(
      "consumer",
      `import { connect, isUeeError, type ChangeEntry, type RunSummary } from "uee";
      await using uee = await connect({ actor: "consumer" });
      const run = await uee.run("cve", { mode: "full" });
      const summary: RunSummary = await run.wait({ onProgress: ({ batchesDone }) => void batchesDone.toFixed() });
      const all: RunSummary[] = await (await uee.run(["cwe", "capec"])).wait();
      const found = await uee.records.get("CVE-1");
      let last: ChangeEntry | undefined;
      for await (const entry of uee.changes()) last = entry;
      const codes: string[] = [];
      await uee.resume("cve").catch((error: unknown) => {
        if (isUeeError(error, "PROV_ILLEGAL_TRANSITION")) codes.push(error.code);
      });
      console.log(JSON.stringify({ created: summary.created, states: all.map(({ state }) => state), found, last, codes }));`,
    );
    expect(complaints).toBe("");
    const { code, stdout, stderr } = await runNode(["consumer.js"], {
      cwd: folder,
      env: bareEnv({ REDIS_URL: redis.url, ...environmentOf(simulator) }),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      created: 60,
      states: ["complete", "complete"],
      last: { op: "created", cursor: expect.any(String) },
      codes: ["PROV_ILLEGAL_TRANSITION"],
    });
  });

  test("has types that are no any: wrong use is told by the compiler", () => {
    const complaints = compile(
      "wrong",
      `import { connect } from "uee";
      const uee = await connect({ redisURL: "redis://x" });
      const run = await uee.run("cve", { mode: "half" });
      const n: number = (await run.wait()).state;
      const several: string = (await uee.run("all")).runs[0]!.mode.length;
      for await (const entry of uee.changes({ since: 7 })) entry.nonsense;
      await uee.records.changes({});`,
    );
    for (const line of [2, 3, 4, 5, 6, 7]) expect(complaints).toContain(`wrong.ts(${line},`);
  });

  test("shows nothing of its inside", () => {
    expect(compile("inside", 'import { openEngine } from "uee/dist/engine.js"; openEngine;')).toContain(
      "Cannot find module",
    );
  });
});

/** Real clients of NVD read the mirror through `uee serve` as if it were NVD. Each skips where its package cannot be had. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { silentLogger } from "../../../src/core/logger.ts";
import { listenServe, type RunningServe } from "../../../src/outlets/nvd/server.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { runProgram } from "../../support/runProgram.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";

const runner = fileURLToPath(new URL("../../support/clients/nvdClients.py", import.meta.url));
/** More than one page of 2,000. */
const CVES = 2_300;

/** A Python of its own with the packages; undefined where they cannot be had. */
async function pythonWith(requirements: string[], dir: string): Promise<string | undefined> {
  const python = join(dir, "bin/python");
  const made = spawnSync("python3", ["-m", "venv", dir], { stdio: "ignore" });
  const got =
    made.status === 0 &&
    spawnSync(python, ["-m", "pip", "install", "--quiet", ...requirements], {
      stdio: "ignore",
      timeout: 240_000,
    });
  if (got && got.status === 0) return python;
  process.stderr.write(`skipped: ${requirements.join(" and ")} cannot be installed\n`);
  return undefined;
}

describe("Python clients", () => {
  let redis: TestRedis;
  let simulator: Simulator;
  let uee: TestEngine;
  let server: RunningServe;
  let dir: string;
  let python: string | undefined;
  const stopped = new AbortController();
  let serving: Promise<void>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "uee-test-nvdlib-"));
    python = await pythonWith(["nvdlib==0.9.0", "vunnel==0.44.0"], dir);
    if (python === undefined) return;
    redis = await startRedis({});
    simulator = await startSimulator({ cves: CVES, extremes: false });
    uee = await openTestEngine(redis.url, {
      providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
    });
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete" });
    server = await listenServe({ logger: silentLogger(), port: 0 });
    serving = server.serve(uee.engine, stopped.signal);
    await until(async () => (await fetch(`${server.url}/readyz`)).ok);
  });
  afterAll(async () => {
    stopped.abort();
    await serving;
    await server?.close();
    await uee?.close();
    await simulator?.close();
    await redis?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const search = async (
    client: "nvdlib" | "vunnel",
    base: string,
    queries: Record<string, unknown>[],
  ): Promise<string[][]> =>
    JSON.parse(await runProgram(python!, [runner, client, base], JSON.stringify(queries))) as string[][];

  test("nvdlib pages through everything, and finds by id, date, severity, weakness, keyword and CPE what the mirror holds", async () => {
    if (python === undefined) return;
    const stored = await exported(uee.engine, "cve");
    const records = [...stored.values()] as {
      id: string;
      vulnStatus: string;
      published: string;
      descriptions: { lang: string; value: string }[];
      weaknesses?: { description: { value: string }[] }[];
      metrics: Record<string, { cvssData: { baseSeverity: string } }[]>;
      configurations?: { nodes: { cpeMatch: { criteria: string }[] }[] }[];
    }[];
    const product = records
      .flatMap((one) => one.configurations ?? [])[0]!
      .nodes[0]!.cpeMatch[0]!.criteria.split(":")
      .slice(0, 5)
      .join(":");
    const [all, one, recent, critical, weakness, keyword, cpe] = await search("nvdlib", server.url, [
      {},
      { cveId: records[7]!.id },
      { pubStartDate: "2021-01-01 00:00", pubEndDate: "2021-04-01 00:00" },
      { cvssV3Severity: "CRITICAL" },
      { cweId: "CWE-79" },
      { keywordSearch: "remote attackers" },
      { virtualMatchString: product },
    ]);
    const ids = (wanted: (record: (typeof records)[number]) => boolean) =>
      records
        .filter(wanted)
        .map(({ id }) => id)
        .sort();
    expect([...all!].sort()).toEqual([...stored.keys()].sort());
    expect(one).toEqual([records[7]!.id]);
    expect([...recent!].sort()).toEqual(
      ids(({ published }) => published >= "2021-01-01T00:00" && published <= "2021-04-01T00:00"),
    );
    expect([...critical!].sort()).toEqual(
      ids(({ metrics }) =>
        ["cvssMetricV31", "cvssMetricV30"].some((name) =>
          metrics?.[name]?.some(({ cvssData }) => cvssData.baseSeverity === "CRITICAL"),
        ),
      ),
    );
    expect([...weakness!].sort()).toEqual(
      ids(({ weaknesses = [] }) =>
        weaknesses.some(({ description }) => description.some(({ value }) => value === "CWE-79")),
      ),
    );
    expect([...keyword!].sort()).toEqual(
      ids(({ descriptions }) => {
        const text = descriptions
          .filter(({ lang }) => lang === "en")
          .map(({ value }) => value)
          .join(" ");
        return /\bremote/i.test(text) && /\battackers/i.test(text);
      }),
    );
    expect(cpe!.length).toBeGreaterThan(0);
    expect([...cpe!].sort()).toEqual(
      ids(({ configurations = [] }) =>
        configurations.some(({ nodes }) =>
          nodes.some(({ cpeMatch }) => cpeMatch.some(({ criteria }) => criteria.startsWith(`${product}:`))),
        ),
      ),
    );
  });

  test("vunnel pages through everything, and through what was modified in a window", async () => {
    if (python === undefined) return;
    const stored = await exported(uee.engine, "cve");
    const window = { last_mod_start_date: "2025-09-01 00:00", last_mod_end_date: "2025-10-01 00:00" };
    const [all, some] = await search("vunnel", server.url, [{}, window]);
    expect([...all!].sort()).toEqual([...stored.keys()].sort());
    const modified = ([, data]: [string, unknown]) => (data as { lastModified: string }).lastModified;
    const inside = [...stored].filter(
      (one) => modified(one) >= "2025-09-01" && modified(one) <= "2025-10-01",
    );
    expect([...some!].sort()).toEqual(inside.map(([id]) => id).sort());
    expect(inside.length).toBeGreaterThan(0);
  });

  test.each(["nvdlib", "vunnel"] as const)("%s reads the simulator too", async (client) => {
    if (python === undefined) return;
    const [all] = await search(client, new URL(simulator.urls.cve).origin, [{}]);
    expect(all).toHaveLength(CVES);
  });
});

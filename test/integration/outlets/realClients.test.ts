/** Real Python clients of NVD read the mirror through `uee serve` as if it were NVD. They skip where PyPI cannot be had. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type ServedMirror, startServedMirror } from "../../support/clients/servedMirror.ts";
import { runProgram } from "../../support/runProgram.ts";

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
  let mirror: ServedMirror | undefined;
  let dir: string;
  let python: string | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "uee-test-nvdlib-"));
    python = await pythonWith(["nvdlib==0.9.0", "vunnel==0.44.0"], dir);
    if (python !== undefined) mirror = await startServedMirror(CVES);
  });
  afterAll(async () => {
    await mirror?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const search = async (
    client: "nvdlib" | "vunnel",
    base: string,
    queries: Record<string, unknown>[],
  ): Promise<string[][]> =>
    JSON.parse(await runProgram(python!, [runner, client, base], JSON.stringify(queries))) as string[][];

  test("nvdlib pages through everything, and finds by id, date, severity, weakness, keyword and CPE what the mirror holds", async () => {
    if (!mirror) return;
    const { stored, url } = mirror;
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
    const [all, one, recent, critical, weakness, keyword, cpe] = await search("nvdlib", url, [
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
    if (!mirror) return;
    const { stored, url } = mirror;
    const window = { last_mod_start_date: "2025-09-01 00:00", last_mod_end_date: "2025-10-01 00:00" };
    const [all, some] = await search("vunnel", url, [{}, window]);
    expect([...all!].sort()).toEqual([...stored.keys()].sort());
    const modified = ([, data]: [string, unknown]) => (data as { lastModified: string }).lastModified;
    const inside = [...stored].filter(
      (one) => modified(one) >= "2025-09-01" && modified(one) <= "2025-10-01",
    );
    expect([...some!].sort()).toEqual(inside.map(([id]) => id).sort());
    expect(inside.length).toBeGreaterThan(0);
  });

  test.each(["nvdlib", "vunnel"] as const)("%s reads the simulator too", async (client) => {
    if (!mirror) return;
    const [all] = await search(client, mirror.simulatorUrl, [{}]);
    expect(all).toHaveLength(CVES);
  });
});

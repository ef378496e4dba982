/**
 * Real Java and Go clients of NVD fetch everything through `uee serve`, and from the simulator, and hold what the mirror
 * holds. Each skips where its packages cannot be had; Maven and Go keep the downloads in the user's own caches.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type ServedMirror, startServedMirror } from "../../support/clients/servedMirror.ts";
import { runProgram } from "../../support/runProgram.ts";

const clients = fileURLToPath(new URL("../../support/clients", import.meta.url));
const properties = fileURLToPath(new URL("../../../examples/dependency-check.properties", import.meta.url));
/** More than one page of 1,000 and of 2,000. */
const CVES = 2_300;

interface Cve {
  id: string;
  vulnStatus: string;
  lastModified: string;
  descriptions: { lang: string; value: string }[];
  references: { url: string }[];
  metrics: Record<string, unknown>;
  vendorComments?: { lastModified: string }[];
  affected?: unknown;
  configurations?: { nodes: { cpeMatch: { criteria: string }[] }[] }[];
}

/** False, and a line that says so, where the command fails: its packages or the tool itself are not there. */
function prepared(what: string, command: string, args: string[], cwd: string): boolean {
  const { status } = spawnSync(command, args, { cwd, stdio: "ignore", timeout: 180_000 });
  if (status === 0) return true;
  process.stderr.write(`skipped: ${what} cannot be had: ${command} ended with ${status}\n`);
  return false;
}

/** The record as the classes of open-vulnerability-clients 7.3.2 can hold it: they lack what NVD added in June 2026. */
function asJavaModel({
  affected,
  metrics: { ssvcV203, ...metrics },
  vendorComments,
  ...record
}: Cve): object {
  const comments = vendorComments?.map((one) => ({ ...one, lastModified: `${one.lastModified}.000` }));
  return { ...record, metrics, ...(comments ? { vendorComments: comments } : {}) };
}

let mirror: ServedMirror;
let stored: Map<string, Cve>;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "uee-test-clients-"));
  mirror = await startServedMirror(CVES);
  stored = mirror.stored as Map<string, Cve>;
  expect(stored.size).toBe(CVES);
});
afterAll(async () => {
  await mirror?.close();
  await rm(dir, { recursive: true, force: true });
});

const sources = ["uee serve", "the simulator"] as const;
const originOf = (source: (typeof sources)[number]): string =>
  source === "uee serve" ? mirror.url : mirror.simulatorUrl;

describe("Java clients", () => {
  let classPath: string | undefined;

  beforeAll(async () => {
    const file = join(dir, "classpath");
    const resolve = ["-q", "-B", "dependency:build-classpath", `-Dmdep.outputFile=${file}`];
    const java = join(clients, "java");
    const offline = spawnSync("mvn", ["-o", ...resolve], { cwd: java, stdio: "ignore" }).status === 0;
    if (offline || prepared("dependency-check-core", "mvn", resolve, java)) {
      classPath = await readFile(file, "utf8");
    }
  }, 240_000);

  /** What the client has afterwards, by id. */
  async function run<Row extends { id: string }>(args: string[]): Promise<Map<string, Row>> {
    const program = join(clients, "java/NvdClients.java");
    const lines = await runProgram("java", ["-cp", classPath!, program, ...args], "");
    const rows = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Row);
    const byId = new Map(rows.map((row) => [row.id, row]));
    expect(byId.size).toBe(rows.length);
    return byId;
  }

  test.each(sources)("open-vulnerability-clients reads everything from %s", async (source) => {
    if (classPath === undefined) return;
    const read = await run<{ id: string; data: object }>(["api", `${originOf(source)}/rest/json/cves/2.0`]);
    expect([...read.keys()].sort()).toEqual([...stored.keys()].sort());
    for (const [id, { data }] of read) {
      // Its classes add the older names of some CVSS 4 metrics.
      expect(data).toMatchObject(asJavaModel(stored.get(id)!));
    }
  });

  const ways = [
    ["feeds", "uee serve"],
    ["feeds", "the simulator"],
    ["API", "uee serve"],
  ] as const;
  test.each(ways)(
    "DependencyCheck updates from the %s of %s, with the example's settings",
    async (way, source) => {
      if (classPath === undefined) return;
      const example = await readFile(properties, "utf8");
      expect(example).toContain("http://mirror:8331/");
      const text = example.replaceAll("http://mirror:8331", originOf(source));
      const chosen =
        way === "API"
          ? text.replace(/^nvd\.api\.datafeed\.url=/m, "#").replace(/^#(?=nvd\.api\.)/gm, "")
          : text;
      const own = await mkdtemp(join(dir, "dependency-check-"));
      await writeFile(join(own, "properties"), chosen);
      const read = await run<{ id: string; description: string; references: number; cpes: number }>([
        "update",
        join(own, "properties"),
        join(own, "data"),
      ]);
      // It keeps CVEs that name an application, and that were not rejected.
      const wanted = [...stored.values()].filter(
        ({ vulnStatus, configurations = [] }) =>
          vulnStatus !== "Rejected" &&
          configurations.some(({ nodes }) =>
            nodes.some(({ cpeMatch }) => cpeMatch.some(({ criteria }) => criteria.startsWith("cpe:2.3:a:"))),
          ),
      );
      expect([...read.keys()].sort()).toEqual(wanted.map(({ id }) => id).sort());
      for (const { id, descriptions, references } of wanted) {
        const english = descriptions.find(({ lang }) => lang === "en")!.value;
        expect(read.get(id)).toMatchObject({ description: english, references: references.length });
      }
    },
  );
});

describe("Go clients", () => {
  let program: string | undefined;

  beforeAll(() => {
    const built = join(dir, "nvdclients");
    if (prepared("vuls-data-update", "go", ["build", "-o", built, "."], join(clients, "go"))) program = built;
  }, 240_000);

  test.each(sources)("vuls-data-update reads everything from %s", async (source) => {
    if (program === undefined) return;
    const into = join(dir, `${source.replaceAll(" ", "-")}-files`);
    await runProgram(program, [`${originOf(source)}/rest/json/cves/2.0`, into], "");
    const files = (await readdir(into, { recursive: true })).filter((name) => name.endsWith(".json"));
    expect(files).toHaveLength(CVES);
    for (const file of files) {
      const read = JSON.parse(await readFile(join(into, file), "utf8")) as Cve;
      const { id, lastModified, descriptions } = stored.get(read.id)!;
      expect(read).toMatchObject({ id, lastModified, descriptions });
    }
  });
});

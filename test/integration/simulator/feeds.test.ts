/** NVD's year feeds, KEV and EPSS as their clients read them. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { type Exchange, exchange, json, type NvdPage, nvdPage } from "./http.ts";

const NOW = Date.UTC(2026, 5, 1);
const YEARS = Array.from({ length: 25 }, (_, i) => String(2002 + i));

const meta = ({ body }: Exchange): Record<string, string> =>
  Object.fromEntries(
    body
      .toString()
      .split("\r\n")
      .filter((line) => line !== "")
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );

describe("NVD's year feeds, simulated", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ cves: 900, now: NOW });
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.clearFaults());

  const ask = (name: string, headers: Record<string, string> = {}): Promise<Exchange> =>
    exchange(`${simulator.urls.feeds}/${name}`, { headers });
  const feed = async (name: string): Promise<{ text: Buffer; page: NvdPage; gz: Buffer }> => {
    const gz = (await ask(`nvdcve-2.0-${name}.json.gz`)).body;
    const text = gunzipSync(gz);
    return { gz, text, page: JSON.parse(text.toString()) as NvdPage };
  };

  test("hold every CVE once, in the feed of its id's year, as their .meta says", async () => {
    const found = new Map<string, unknown>();
    for (const year of YEARS) {
      const { gz, text, page } = await feed(year);
      const said = meta(await ask(`nvdcve-2.0-${year}.meta`));
      expect(said).toMatchObject({
        lastModifiedDate: "2026-05-30T18:00:00-04:00",
        size: String(text.length),
        gzSize: String(gz.length),
        sha256: createHash("sha256").update(text).digest("hex").toUpperCase(),
      });
      expect([page.totalResults, page.resultsPerPage]).toEqual([
        page.vulnerabilities.length,
        page.vulnerabilities.length,
      ]);
      for (const { cve } of page.vulnerabilities) {
        expect(Math.max(2002, Number(cve.id.slice(4, 8)))).toBe(Number(year));
        found.set(cve.id, cve);
      }
    }
    const truth = [...simulator.content("cve")];
    expect(found.size).toBe(truth.length);
    for (const { id, data } of truth) expect(canonicalJson(found.get(id))).toBe(canonicalJson(data));
    expect((await ask("nvdcve-2.0-2001.json.gz")).status).toBe(404);
    expect((await ask("nvdcve-2.0-2027.meta")).status).toBe(404);
    expect((await ask("cache.properties")).body.toString()).toContain(
      "lastModifiedDate.2002=2026-05-30T22:00:00Z\n",
    );
  });

  test("modified and recent hold eight days", async () => {
    const since = new Date(NOW - (26 + 8 * 24) * 3_600_000).toISOString().slice(0, 23);
    const ids = (page: NvdPage): string[] => page.vulnerabilities.map(({ cve }) => cve.id).sort();
    const all = [...simulator.content("cve")].map(
      ({ data }) => data as { id: string; lastModified: string; published: string },
    );
    const expected = (name: "lastModified" | "published") =>
      all.filter((one) => one[name] >= since).map(({ id }) => id);
    expect(ids((await feed("modified")).page)).toEqual(expected("lastModified"));
    expect(ids((await feed("recent")).page)).toEqual(expected("published"));
    expect(expected("lastModified").length).toBeGreaterThan(1);
  });

  test("answer 304 to who has them and HEAD with the length, the same bytes every time", async () => {
    for (const name of ["nvdcve-2.0-2025.meta", "nvdcve-2.0-2025.json.gz"]) {
      const first = await ask(name);
      expect((await ask(name, { "if-none-match": first.headers.etag! })).status).toBe(304);
      const head = await exchange(`${simulator.urls.feeds}/${name}`, { method: "HEAD" });
      expect(head.headers["content-length"]).toBe(String(first.body.length));
      expect((await ask(name)).body.equals(first.body)).toBe(true);
    }
  });

  test("show a change at once, or once they are published again", async () => {
    const before = meta(await ask("nvdcve-2.0-2026.meta"));
    const { added } = simulator.mutate({ add: 2, feeds: "keep", at: NOW });
    const ids = async (): Promise<string[]> =>
      (await feed("2026")).page.vulnerabilities.map(({ cve }) => cve.id);
    expect(await ids()).not.toContain(added[0]);
    expect(meta(await ask("nvdcve-2.0-2026.meta"))).toEqual(before);
    expect([...simulator.content("feeds")].map(({ id }) => id)).not.toContain(added[0]);
    expect(nvdPage(await exchange(`${simulator.urls.cve}?cveId=${added[0]}`)).totalResults).toBe(1);
    simulator.mutate({ provider: "feeds" });
    expect(await ids()).toEqual(expect.arrayContaining(added));
    expect(meta(await ask("nvdcve-2.0-2026.meta")).sha256).not.toBe(before.sha256);
    expect([...simulator.content("feeds")].length).toBe([...simulator.content("cve")].length);
  });

  test("lie as said", async () => {
    const said = meta(await ask("nvdcve-2.0-2026.meta"));
    simulator.setFaults(["feed-newer"]);
    const older = meta(await ask("nvdcve-2.0-2026.meta"));
    expect(older.lastModifiedDate! < said.lastModifiedDate!).toBe(true);
    expect(older.sha256).not.toBe(said.sha256);
    simulator.setFaults(["feed-sha"]);
    expect(meta(await ask("nvdcve-2.0-2026.meta"))).toEqual({
      ...said,
      sha256: expect.not.stringMatching(said.sha256!),
    });
    simulator.setFaults(["feed-total(3)"]);
    const { page } = await feed("2026");
    expect(page.totalResults).toBe(page.vulnerabilities.length + 3);
    simulator.setFaults(["feed-cut"]);
    const cut = gunzipSync((await ask("nvdcve-2.0-2026.json.gz")).body).toString();
    expect(() => JSON.parse(cut)).toThrow();
    simulator.setFaults(["feed-304"]);
    expect((await ask("nvdcve-2.0-2026.json.gz")).status).toBe(304);
    simulator.setFaults(["empty-body#1", "status-404#2"]);
    expect((await ask("nvdcve-2.0-2026.json.gz")).body).toHaveLength(0);
    expect((await ask("nvdcve-2.0-2026.json.gz")).status).toBe(404);
  });
});

describe("KEV and EPSS, simulated", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ cves: 1_500, now: NOW });
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.clearFaults());

  const scores = async (): Promise<{ head: string; rows: string[]; url: string }> => {
    const current = await exchange(simulator.urls.epss);
    const url = new URL(current.headers.location!, simulator.url).href;
    const [head = "", columns, ...rows] = gunzipSync((await exchange(url)).body)
      .toString()
      .trimEnd()
      .split("\n");
    expect([current.status, columns]).toEqual([302, "cve,epss,percentile"]);
    return { head, rows, url };
  };

  test("KEV's count is that of its entries, which are CVEs of NVD that are marked as exploited", async () => {
    const kev = json(await exchange(simulator.urls.kev)) as {
      count: number;
      catalogVersion: string;
      vulnerabilities: { cveID: string }[];
    };
    expect(kev.count).toBe(kev.vulnerabilities.length);
    expect(kev.catalogVersion).toMatch(/^\d{4}\.\d\d\.\d\d$/);
    const marked = [...simulator.content("cve")].filter(({ data }) => "cisaExploitAdd" in (data as object));
    const ids = kev.vulnerabilities.map(({ cveID }) => cveID);
    expect(ids.length).toBeGreaterThan(3);
    for (const { id } of marked) expect(ids).toContain(id);
    expect([...simulator.content("kev")].map(({ data }) => data)).toEqual(
      kev.vulnerabilities.sort((a, b) => (a.cveID < b.cveID ? -1 : 1)),
    );
    simulator.setFaults(["kev-count"]);
    expect((json(await exchange(simulator.urls.kev)) as { count: number }).count).toBe(kev.count + 1);
  });

  test("EPSS redirects to the day's file, and nearly every score moves with the day", async () => {
    const first = await scores();
    expect(first.url).toMatch(/\/epss_scores-\d{4}-\d\d-\d\d\.csv\.gz$/);
    expect(first.head).toMatch(/^#model_version:v[\d.]+,score_date:\d{4}-\d\d-\d\dT[\d:]+Z$/);
    expect(first.rows).toHaveLength(1_500);
    expect([...simulator.content("epss")].map(({ data }) => Object.values(data as object).join())).toEqual(
      [...first.rows].sort(),
    );
    simulator.mutate({ provider: "epss", remove: 1, add: 2 });
    const second = await scores();
    expect(second.url > first.url).toBe(true);
    expect(second.rows).toHaveLength(1_501);
    const same = second.rows.filter((row) => first.rows.includes(row)).length;
    expect(same / 1_500).toBeLessThan(0.1);
    expect((await exchange(first.url)).status).toBe(200);
    simulator.setFaults(["older-edition"]);
    expect((await scores()).url).toBe(first.url);
    simulator.setFaults(["epss-late"]);
    const late = new URL((await exchange(simulator.urls.epss)).headers.location!, simulator.url).href;
    expect((await exchange(late)).status).toBe(404);
  });

  test("EPSS files are broken as said", async () => {
    const { url } = await scores();
    const broken = async (fault: string): Promise<string> => {
      simulator.setFaults([fault]);
      return gunzipSync((await exchange(url)).body).toString();
    };
    expect(await broken("epss-no-header")).toMatch(/^cve,epss,percentile\n/);
    expect(await broken("epss-cut")).not.toMatch(/\n$/);
    const widths = (await broken("epss-width"))
      .trimEnd()
      .split("\n")
      .slice(2)
      .map((row) => row.split(",").length);
    expect(new Set(widths)).toEqual(new Set([2, 3, 4]));
    simulator.setFaults(["bad-record@0.1:epss"]);
    expect(simulator.badRecords("epss").length).toBeGreaterThan(50);
  });
});

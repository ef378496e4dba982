import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../../../src/core/json.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { exchange, json, type NvdPage, nvdPage } from "./http.ts";

const NOW = Date.UTC(2026, 5, 1);

/** Pages through a listing as NVD's documentation says. */
async function walk(url: string, size: number): Promise<NvdPage[]> {
  const pages: NvdPage[] = [];
  for (let start = 0; ; start += size) {
    const page = nvdPage(await exchange(`${url}startIndex=${start}&resultsPerPage=${size}`));
    pages.push(page);
    if (start + size >= page.totalResults) return pages;
  }
}

const cvesOf = (pages: NvdPage[]): NvdPage["vulnerabilities"][number]["cve"][] =>
  pages.flatMap((page) => page.vulnerabilities.map(({ cve }) => cve));

describe("NVD's API, simulated", () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator({ cves: 500, now: NOW, clock: () => NOW, apiKeys: ["right"] });
  });
  afterAll(() => simulator.close());

  test("pages hold every record once, and what content() says", async () => {
    const pages = await walk(`${simulator.urls.cve}?`, 130);
    expect(pages.map((page) => page.resultsPerPage)).toEqual([130, 130, 130, 110]);
    const cves = cvesOf(pages).sort((a, b) => (a.id < b.id ? -1 : 1));
    const truth = [...simulator.content("cve")];
    expect(cves.map(({ id }) => id)).toEqual(truth.map(({ id }) => id));
    expect(cves.map(canonicalJson)).toEqual(truth.map(({ data }) => canonicalJson(data)));
  });

  test("the envelope is NVD's, its clock in UTC without zone, beyond the end it is empty", async () => {
    const first = nvdPage(await exchange(`${simulator.urls.cve}/?resultsPerPage=2`));
    expect(first).toMatchObject({
      resultsPerPage: 2,
      startIndex: 0,
      totalResults: 500,
      format: "NVD_CVE",
      version: "2.0",
      timestamp: "2026-06-01T00:00:00.000",
    });
    const beyond = nvdPage(await exchange(`${simulator.urls.cve}?startIndex=500`));
    expect(beyond).toMatchObject({
      resultsPerPage: 0,
      startIndex: 500,
      totalResults: 500,
      vulnerabilities: [],
    });
  });

  test("windows hold what was modified in them, both ends included", async () => {
    const all = cvesOf(await walk(`${simulator.urls.cve}?`, 2_000));
    const [start, end] = ["2026-03-01T00:00:00.000", "2026-05-30T22:00:00.000"];
    const expected = all.filter(({ lastModified }) => lastModified >= start && lastModified <= end);
    expect(expected.length).toBeGreaterThan(3);
    expect(expected.some(({ lastModified }) => lastModified === end)).toBe(true);
    const found = cvesOf(
      await walk(`${simulator.urls.cve}?lastModStartDate=${start}Z&lastModEndDate=${end}Z&`, 50),
    );
    expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    const one = nvdPage(await exchange(`${simulator.urls.cve}?cveId=${all[7]!.id.toLowerCase()}`));
    expect(one.vulnerabilities.map(({ cve }) => cve.id)).toEqual([all[7]!.id]);
  });

  test("wrong parameters and keys get 404 without a body, the reason in the header", async () => {
    const wrong = await exchange(`${simulator.urls.cve}?resultsPerPage=3000`);
    expect([wrong.status, wrong.body.length, wrong.headers["content-length"], wrong.headers.message]).toEqual(
      [404, 0, "0", "resultsPerPage parameter cannot exceed 2000."],
    );
    const half = await exchange(`${simulator.urls.cve}?lastModStartDate=2026-01-01T00:00:00Z`);
    expect([half.status, half.headers.message]).toEqual([404, undefined]);
    const key = (apiKey: string) =>
      exchange(`${simulator.urls.cve}?resultsPerPage=1`, { headers: { apiKey } });
    expect((await key("wrong")).headers.message).toBe("Invalid apiKey");
    expect((await key("right")).status).toBe(200);
    expect((await exchange(`${simulator.url}/rest/json/cvehistory/2.0`)).status).toBe(404);
  });

  test("parameters select as NVD says, each alone", async () => {
    const all = [...simulator.content("cve")].map(({ data }) => data as Record<string, never>);
    const some = (value: unknown): Record<string, never>[] => (Array.isArray(value) ? value : []);
    const metrics = (record: Record<string, unknown>, ...names: string[]): Record<string, never>[] =>
      names.flatMap((name) => some((record.metrics as Record<string, unknown>)[name]));
    const criteria = (record: Record<string, unknown>) =>
      some(record.configurations).flatMap(({ nodes }) =>
        some(nodes).flatMap(({ cpeMatch }) => some(cpeMatch).map((one) => one as Record<string, string>)),
      );
    const english = (record: Record<string, unknown>): string =>
      String(some(record.descriptions).find(({ lang }) => lang === "en")?.value).toLowerCase();
    const exact = all.flatMap(criteria).find((one) => one.criteria!.split(":")[5] !== "*")!.criteria!;
    const tests: [query: string, test: (record: Record<string, unknown>) => boolean][] = [
      ["cvssV2Severity=HIGH", (r) => metrics(r, "cvssMetricV2").some((m) => m.baseSeverity === "HIGH")],
      [
        "cvssV3Severity=critical",
        (r) =>
          metrics(r, "cvssMetricV30", "cvssMetricV31").some(
            ({ cvssData }) => (cvssData as unknown as { baseSeverity: string }).baseSeverity === "CRITICAL",
          ),
      ],
      [
        "cvssV4Severity=MEDIUM",
        (r) =>
          metrics(r, "cvssMetricV40").some(
            ({ cvssData }) => (cvssData as unknown as { baseSeverity: string }).baseSeverity === "MEDIUM",
          ),
      ],
      ["cweId=CWE-79", (r) => JSON.stringify(r.weaknesses ?? "").includes('"CWE-79"')],
      ["cveTag=disputed", (r) => JSON.stringify(r.cveTags).includes("disputed")],
      ["sourceIdentifier=cve@mitre.org", (r) => r.sourceIdentifier === "cve@mitre.org"],
      ["hasKev", (r) => "cisaExploitAdd" in r],
      ["noRejected", (r) => r.vulnStatus !== "Rejected"],
      ["keywordSearch=Overflow Buffer", (r) => /overflow/.test(english(r)) && /buffer/.test(english(r))],
      ["keywordSearch=buffer overflow&keywordExactMatch", (r) => english(r).includes("buffer overflow")],
      [
        "virtualMatchString=cpe:2.3:*:acme",
        (r) => criteria(r).some((one) => one.criteria!.split(":")[3] === "acme"),
      ],
      [
        "pubStartDate=2026-02-01T00:00:00Z&pubEndDate=2026-05-01T00:00:00Z",
        (r) => String(r.published) >= "2026-02-01" && String(r.published) <= "2026-05-01T00:00:00.000",
      ],
      [`cveIds=${all[3]!.id},${all[9]!.id}`, (r) => r.id === all[3]!.id || r.id === all[9]!.id],
      [
        `cpeName=${exact}`,
        (r) =>
          criteria(r).some(({ criteria: one, ...rest }) => {
            const [a, b] = [one!.split(":"), exact.split(":")];
            if (a.slice(2, 5).join() !== b.slice(2, 5).join()) return false;
            // Ranges of generated records begin at 1.0 and end beyond every exact version.
            return (
              a[5] === b[5] ||
              (a[5] === "*" && rest.versionStartIncluding !== undefined && !b[5]!.startsWith("0."))
            );
          }),
      ],
    ];
    for (const [query, test] of tests) {
      const page = nvdPage(await exchange(`${simulator.urls.cve}/?${encodeURI(query)}`));
      const expected = all.filter(test).map(({ id }) => id);
      expect([query, page.vulnerabilities.map(({ cve }) => cve.id).sort()]).toEqual([query, expected.sort()]);
      expect([query, expected.length > 0, expected.length < 500]).toEqual([query, true, true]);
    }
  });

  test("the log says that a key came and never its value", async () => {
    await exchange(`${simulator.urls.cve}?resultsPerPage=1&noRejected`, { headers: { apiKey: "right" } });
    const entry = simulator.log().at(-1)!;
    expect(entry).toMatchObject({
      upstream: "cve",
      method: "GET",
      path: "/rest/json/cves/2.0",
      query: "resultsPerPage=1&noRejected",
      status: 200,
      fault: null,
      apiKey: true,
      elsewhere: false,
    });
    expect(entry.bytes).toBeGreaterThan(200);
    expect(JSON.stringify(simulator.log())).not.toContain("right");
  });
});

describe("NVD's content, moving", () => {
  test("totals move while paging when a change was scheduled, and not before", async () => {
    const simulator = await startSimulator({ cves: 300, now: NOW });
    try {
      const changed = simulator.scheduleChange({ afterRequests: 2, change: { add: 5, remove: 1 } });
      const pages = await walk(`${simulator.urls.cve}?`, 100);
      expect(pages.map((page) => page.totalResults)).toEqual([300, 300, 304, 304]);
      expect((await changed).added).toHaveLength(5);
    } finally {
      await simulator.close();
    }
  });

  test("an increment over the step from before to after holds what was modified, not what was edited silently", async () => {
    const simulator = await startSimulator({ cves: 400, now: NOW });
    try {
      const { cve: report } = simulator.setPoint("after");
      const window = "lastModStartDate=2026-05-30T22:00:00.001Z&lastModEndDate=2026-06-01T00:00:00.000Z";
      const ids = cvesOf(await walk(`${simulator.urls.cve}?${window}&`, 2_000)).map(({ id }) => id);
      expect([...ids].sort()).toEqual([...report.added, ...report.modified, ...report.rejected].sort());
      expect(report.silent.length).toBeGreaterThan(0);
    } finally {
      await simulator.close();
    }
  });

  test("a shuffled listing has the same records in another order, the same on every walk", async () => {
    const simulator = await startSimulator({ cves: 200, now: NOW, order: "shuffled" });
    try {
      const ids = async () => cvesOf(await walk(`${simulator.urls.cve}?`, 70)).map(({ id }) => id);
      const first = await ids();
      expect(await ids()).toEqual(first);
      expect(first).not.toEqual([...first].sort());
      expect([...first].sort()).toEqual([...simulator.content("cve")].map(({ id }) => id));
    } finally {
      await simulator.close();
    }
  });
});

describe("NVD's limit, simulated", () => {
  test("the request over the limit is refused and recorded; a key has its own", async () => {
    const simulator = await startSimulator({ cves: 5, nvdRate: { max: 2, windowMs: 600_000, keyMax: 3 } });
    try {
      const ask = async (headers: Record<string, string> = {}) =>
        (await exchange(simulator.urls.cve, { headers })).status;
      expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 403]);
      expect([await ask({ apikey: "k" }), await ask({ apikey: "k" })]).toEqual([200, 200]);
      expect(simulator.counts().violations.overLimit).toBe(1);
      expect(simulator.log().map(({ overLimit }) => overLimit)).toEqual([false, false, true, false, false]);
    } finally {
      await simulator.close();
    }
  });

  test("requests that come while told to wait are recorded", async () => {
    const simulator = await startSimulator({ cves: 5, faults: ["status-429(600)#1", "status-429(0)#3:cve"] });
    try {
      for (let i = 0; i < 2; i++) await exchange(simulator.urls.cve);
      await exchange(simulator.urls.capec);
      expect(simulator.log().map(({ whileToldToWait }) => whileToldToWait)).toEqual([false, true, false]);
      expect(simulator.counts().violations.whileToldToWait).toBe(1);
      expect(simulator.log()[0]).toMatchObject({ status: 429, fault: "status-429" });
    } finally {
      await simulator.close();
    }
  });
});

describe("The simulator's size", () => {
  test("400,000 CVEs are there at once and any page of them", async () => {
    const simulator = await startSimulator({ cves: 400_000 });
    try {
      const page = nvdPage(await exchange(`${simulator.urls.cve}?startIndex=399900&resultsPerPage=2000`));
      expect(page).toMatchObject({ totalResults: 400_000, resultsPerPage: 100 });
      expect(new Set(page.vulnerabilities.map(({ cve }) => cve.id)).size).toBe(100);
    } finally {
      await simulator.close();
    }
  });

  test("2,000 records of 100 KB come as one page", async () => {
    const simulator = await startSimulator({ cves: 2_000, recordBytes: 100_000 });
    try {
      const answer = await exchange(simulator.urls.cve, { tail: 300 });
      expect([answer.complete, answer.headers["content-length"]]).toEqual([true, String(answer.size)]);
      expect(answer.size).toBeGreaterThan(180_000_000);
      expect(answer.body.toString()).toMatch(/\]\}\}\]\}$/);
      const last = nvdPage(await exchange(`${simulator.urls.cve}?startIndex=1990`)).vulnerabilities;
      expect(last).toHaveLength(10);
    } finally {
      await simulator.close();
    }
  });

  test("an unknown address is not found and counts for no upstream", async () => {
    const simulator = await startSimulator({ cves: 5 });
    try {
      expect((await exchange(`${simulator.url}/nothing`)).status).toBe(404);
      expect(simulator.counts().requests).toMatchObject({ unknown: 1, cve: 0 });
      expect(json(await exchange(`${simulator.url}/_sim/counts`))).toEqual(simulator.counts());
    } finally {
      await simulator.close();
    }
  });
});

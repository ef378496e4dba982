/**
 * The NVD-compatible server over a mirror that real runs load: what clients of NVD rely on, request by request, and what
 * they see while the mirror changes.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { request } from "undici";
import { silentLogger } from "../../../src/core/logger.ts";
import { listenServe, type RunningServe, type ServeOptions } from "../../../src/outlets/nvd/server.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";

const CVES = 700;

let redis: TestRedis;
let simulator: Simulator;
let uee: TestEngine;
let server: RunningServe;
const running: { server: RunningServe; stop: () => Promise<void> }[] = [];

async function startServe(over: Partial<ServeOptions> = {}): Promise<RunningServe> {
  const stopped = new AbortController();
  const one = await listenServe({ logger: silentLogger(), port: 0, ...over });
  const serving = one.serve(uee.engine, stopped.signal);
  running.push({
    server: one,
    async stop() {
      stopped.abort();
      await serving;
      await one.close();
    },
  });
  return one;
}

interface Page {
  resultsPerPage: number;
  startIndex: number;
  totalResults: number;
  format: string;
  vulnerabilities: { cve: { id: string; lastModified: string } }[];
}

const ask = (query: string, init: RequestInit = {}, at = server): Promise<Response> =>
  fetch(`${at.url}/rest/json/cves/2.0${query}`, init);
const page = async (query: string, init: RequestInit = {}, at = server): Promise<Page> =>
  (await (await ask(query, init, at)).json()) as Page;
const feed = (name: string, init: RequestInit = {}, at = server): Promise<Response> =>
  fetch(`${at.url}/feeds/json/cve/2.0/${name}`, init);
const ready = (at: RunningServe) => until(async () => (await fetch(`${at.url}/readyz`)).ok);

beforeAll(async () => {
  redis = await startRedis({});
  simulator = await startSimulator({ seed: 4, cves: CVES });
  uee = await openTestEngine(redis.url, {
    providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
  });
  server = await startServe();
});
afterAll(async () => {
  for (const { stop } of running) await stop();
  await uee?.close();
  await simulator?.close();
  await redis?.stop();
});

test("a mirror that was never verified answers 503 with the reason", async () => {
  const said = async () => (await ask("")).headers.get("message") ?? "";
  await until(async () => (await said()).includes("never verified"));
  const answer = await ask("");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("60");
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
});

describe("over a verified mirror", () => {
  beforeAll(async () => {
    expect(await uee.run("cve", "full")).toMatchObject({ state: "complete" });
    await ready(server);
    expect(await page("?resultsPerPage=1")).toMatchObject({ totalResults: CVES });
  });

  test("pages hold every record as the mirror has it, by year and number, and end with an empty page", async () => {
    const stored = await exported(uee.engine, "cve");
    const seen: Page["vulnerabilities"] = [];
    for (;;) {
      const one = await page(`?startIndex=${seen.length}&resultsPerPage=300`);
      expect(one).toMatchObject({ totalResults: CVES, startIndex: seen.length, format: "NVD_CVE" });
      expect(one.resultsPerPage).toBe(one.vulnerabilities.length);
      if (one.resultsPerPage === 0) break;
      seen.push(...one.vulnerabilities);
    }
    expect(seen.map(({ cve }) => cve)).toEqual(seen.map(({ cve }) => stored.get(cve.id)));
    const keys = seen.map(({ cve }) => cve.id.split("-").slice(1).map(Number));
    expect(keys).toEqual([...keys].sort(([a, b], [c, d]) => a! - c! || b! - d!));
    expect(new Set(seen.map(({ cve }) => cve.id)).size).toBe(CVES);
  });

  test("HEAD, a trailing slash, names in another case, gzip and OPTIONS work as clients expect", async () => {
    const head = await ask("/?resultsperpage=2&noRejected", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(100);
    const zipped = await ask("?RESULTSPERPAGE=50");
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(((await zipped.json()) as Page).resultsPerPage).toBe(50);
    const options = await ask("", { method: "OPTIONS" });
    expect(options.headers.get("access-control-allow-headers")).toContain("apiKey");
    expect(options.headers.get("access-control-allow-origin")).toBe("*");
  });

  test("answers say when the mirror was verified and up to which point", async () => {
    const { headers } = await ask("?resultsPerPage=1");
    const { verifiedAt, watermark } = await uee.engine.records.verified("cve");
    expect(verifiedAt).not.toBeNull();
    expect(headers.get("x-uee-verified-at")).toBe(verifiedAt);
    expect(headers.get("x-uee-watermark")).toBe(watermark);
  });

  test("an unknown id is an empty answer", async () => {
    expect(await page("?cveId=CVE-1998-9999")).toMatchObject({ totalResults: 0, vulnerabilities: [] });
  });

  const refused: [query: string, message: string][] = [
    ["?colour=blue", "Invalid parameter: colour"],
    ["?cveId=CVE-2021", "Invalid cveId parameter."],
    ["?resultsPerPage=2001", "resultsPerPage parameter cannot exceed 2000."],
    ["?resultsPerPage=0", "Invalid resultsPerPage parameter."],
    ["?startIndex=-1", "Invalid startIndex parameter."],
    ["?lastModStartDate=2024-01-01T00:00:00Z", "required together"],
    ["?pubStartDate=2024-01-01T00:00:00Z&pubEndDate=2024-06-01T00:00:00Z", "120 days"],
    ["?pubStartDate=yesterday&pubEndDate=2024-06-01T00:00:00Z", "ISO 8601"],
    ["?cvssV3Severity=SEVERE", "Invalid cvssV3Severity parameter."],
    ["?cvssV2Severity=LOW&cvssV3Severity=LOW", "CVSS versions cannot be combined."],
    ["?isVulnerable", "isVulnerable is read together with cpeName."],
    ["?cpeName=cpe:2.3:a:apache", "Invalid cpeName parameter."],
    ["?hasKev=no", "hasKev has no value."],
  ];
  test.each(refused)("%s is refused by name, as NVD refuses: 404 without a body", async (query, message) => {
    const answer = await ask(query);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toBe("");
    expect(answer.headers.get("message")).toContain(message);
  });

  test("windows take every form of a time that clients send", async () => {
    const { cve } = (await page("?startIndex=5&resultsPerPage=1")).vulnerabilities[0]!;
    const at = Date.parse(`${cve.lastModified.slice(0, 23)}Z`);
    const iso = (ms: number) => new Date(ms).toISOString().slice(0, -1);
    const forms = [
      [`${iso(at)}Z`, `${iso(at + 1_000)}Z`],
      [`${iso(at)}000Z`, `${iso(at + 1_000)}000Z`],
      [iso(at), iso(at + 1_000)],
      [`${iso(at + 3_600_000)}+01:00`, `${iso(at + 3_601_000)}+01:00`],
      [`${iso(at - 3_600_000)}-01:00`, `${iso(at - 3_599_000)}-01:00`],
    ];
    for (const [from, to] of forms) {
      for (const written of [
        `${from}&lastModEndDate=${to}`,
        `${encodeURIComponent(from!)}&lastModEndDate=${encodeURIComponent(to!)}`,
      ]) {
        const found = await page(`?lastModStartDate=${written}`);
        expect(found.vulnerabilities.map((one) => one.cve.id)).toContain(cve.id);
      }
    }
  });

  test("feeds hold the year's records, and .meta tells their size and digest", async () => {
    const stored = await exported(uee.engine, "cve");
    const listed = new Map<string, unknown>();
    const properties = await (await feed("cache.properties")).text();
    expect(properties).toMatch(/^prefix=nvdcve-2\.0-\nlastModifiedDate=[\dT:-]+Z\n/);
    const years = [...properties.matchAll(/lastModifiedDate\.(\d{4})=[\dT:-]+Z/g)].map(([, year]) => year!);
    expect(years[0]).toBe("2002");
    expect(Number(years.at(-1))).toBeGreaterThanOrEqual(new Date().getUTCFullYear());
    for (const year of years) {
      const zipped = Buffer.from(await (await feed(`nvdcve-2.0-${year}.json.gz`)).arrayBuffer());
      const json = gunzipSync(zipped);
      const meta = await (await feed(`nvdcve-2.0-${year}.meta`)).text();
      expect(meta).toContain(`\r\nsize:${json.length}\r\n`);
      expect(meta).toContain(`\r\ngzSize:${zipped.length}\r\n`);
      expect(meta).toContain(
        `\r\nsha256:${createHash("sha256").update(json).digest("hex").toUpperCase()}\r\n`,
      );
      expect(meta).toMatch(/^lastModifiedDate:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\r\n/);
      const content = JSON.parse(json.toString()) as Page;
      expect(content.totalResults).toBe(content.vulnerabilities.length);
      expect(content.resultsPerPage).toBe(content.vulnerabilities.length);
      for (const { cve } of content.vulnerabilities) {
        expect(Math.max(2002, Number(cve.id.slice(4, 8)))).toBe(Number(year));
        listed.set(cve.id, cve);
      }
    }
    expect(listed).toEqual(stored);
    expect((await feed("nvdcve-2.0-1999.meta")).status).toBe(404);
  });

  test("a feed answers HEAD, conditions and ranges; a second server gives the same bytes and the same ETag", async () => {
    const name = "nvdcve-2.0-2021.json.gz";
    const whole = await feed(name);
    const bytes = Buffer.from(await whole.arrayBuffer());
    const etag = whole.headers.get("etag")!;
    const head = await feed(name, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(bytes.length));
    // fetch adds cache-control to conditional requests, undici's request does not.
    const status = async (headers: Record<string, string>) => {
      const answer = await request(`${server.url}/feeds/json/cve/2.0/${name}`, { headers });
      await answer.body.dump();
      return answer.statusCode;
    };
    expect(await status({ "if-none-match": etag })).toBe(304);
    expect(await status({ "if-modified-since": whole.headers.get("last-modified")! })).toBe(304);
    const part = await feed(name, { headers: { range: "bytes=10-19" } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(10, 20));
    const second = await startServe();
    await ready(second);
    const other = await feed(name, {}, second);
    const otherBytes = Buffer.from(await other.arrayBuffer());
    expect(gunzipSync(otherBytes).toString()).toBe(gunzipSync(bytes).toString());
    expect(otherBytes.equals(bytes)).toBe(true);
    expect(other.headers.get("etag")).toBe(etag);
  });

  test("a token is taken as apiKey header or parameter, as bearer token and as password", async () => {
    const own = await startServe({ token: "s3rve" });
    await ready(own);
    const wrong = await ask("?resultsPerPage=1", { headers: { apiKey: "other" } }, own);
    expect(wrong.status).toBe(404);
    expect(wrong.headers.get("message")).toBe("Invalid apiKey.");
    expect((await feed("cache.properties", {}, own)).status).toBe(401);
    const basic = `Basic ${Buffer.from("any:s3rve").toString("base64")}`;
    const ways: Record<string, string>[] = [
      { apiKey: "s3rve" },
      { authorization: "Bearer s3rve" },
      { authorization: basic },
    ];
    for (const headers of ways) {
      expect((await ask("?resultsPerPage=1", { headers }, own)).status).toBe(200);
      expect((await feed("cache.properties", { headers }, own)).status).toBe(200);
    }
    expect((await ask("?resultsPerPage=1&apiKey=s3rve", {}, own)).status).toBe(200);
    // Without a token any key is taken: clients have one configured.
    expect((await ask("?resultsPerPage=1", { headers: { apiKey: "some" } })).status).toBe(200);
    await expect(listenServe({ logger: silentLogger(), port: 0, host: "0.0.0.0" })).rejects.toMatchObject({
      code: "API_TOKEN_REQUIRED",
    });
  });

  test("a mirror older than --max-age answers 503 and names the time", async () => {
    const strict = await startServe({ maxAgeMs: 0 });
    await until(
      async () => (await ask("", {}, strict)).headers.get("message")?.includes("last verified") ?? false,
    );
    expect((await feed("cache.properties", {}, strict)).status).toBe(503);
  });

  test("a client that pages while the mirror changes sees one list; others see the new one", async () => {
    const paging = { headers: { "user-agent": "pages slowly" } };
    const first = await page("?resultsPerPage=400", paging);
    simulator.mutate({ provider: "cve", add: 7 });
    expect(await uee.run("cve", "incremental")).toMatchObject({ state: "complete", created: 7 });
    await until(
      async () =>
        (await page("?resultsPerPage=1", { headers: { "user-agent": "new" } })).totalResults === CVES + 7,
    );
    const rest = await page("?startIndex=400&resultsPerPage=2000", paging);
    expect(rest.totalResults).toBe(CVES);
    const ids = [...first.vulnerabilities, ...rest.vulnerabilities].map(({ cve }) => cve.id);
    expect(new Set(ids).size).toBe(CVES);
    // The feeds follow.
    await until(async () => {
      const modified = await (await feed("nvdcve-2.0-modified.json.gz")).arrayBuffer();
      return (JSON.parse(gunzipSync(modified).toString()) as Page).totalResults >= 7;
    });
  });
});

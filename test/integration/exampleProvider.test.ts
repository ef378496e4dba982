/** The example of docs/adding-a-provider.md, as a newcomer would use it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { kev } from "../../examples/kev/kev.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../support/testEngine.ts";

interface Entry {
  cveID: string;
  [field: string]: unknown;
}

let redis: TestRedis;
let server: Server;
let uee: TestEngine;
let entries: Entry[];
let body: () => string;
let requests = 0;
let count = 0;

beforeAll(async () => {
  redis = await startRedis({});
  server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(200, { "content-type": "application/json" }).end(body());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await redis.stop();
});
beforeEach(async () => {
  entries = Array.from({ length: 900 }, (_, i) => ({
    cveID: `CVE-2024-${1000 + i}`,
    vendorProject: `vendor ${i}`,
    knownRansomwareCampaignUse: "Unknown",
    cwes: [],
  }));
  body = () =>
    JSON.stringify({
      title: "KEV",
      count: entries.length,
      dateReleased: "2026-01-01T00:00:00Z",
      vulnerabilities: entries,
    });
  const { port } = server.address() as AddressInfo;
  uee = await openTestEngine(
    redis.url,
    {
      prefix: `kev${count++}`,
      providers: { kev: { url: `http://127.0.0.1:${port}/kev.json`, rate: "unlimited" } },
    },
    { providers: [kev] },
  );
  requests = 0;
});
afterEach(() => uee.close());

const content = () => new Map(entries.map((entry) => [entry.cveID, entry]));

describe("the example provider", () => {
  test("mirrors its catalogue, asks once when nothing moved, and follows edits and retractions", async () => {
    expect(await uee.run("kev")).toMatchObject({ state: "complete", created: 900, requests: 1 });
    expect(await exported(uee.engine, "kev")).toEqual(content());

    expect(await uee.run("kev")).toMatchObject({
      state: "complete",
      mode: "incremental",
      fetched: 0,
      requests: 1,
    });
    expect(requests).toBe(2);

    entries[7]!.knownRansomwareCampaignUse = "Known";
    entries.splice(20, 3);
    expect(await uee.run("kev")).toMatchObject({ state: "complete", updated: 1, removed: 3, unchanged: 896 });
    expect(await exported(uee.engine, "kev")).toEqual(content());
  });

  test.each([
    ["half a document", () => body().slice(0, 5000), "PROV_TRUNCATED"],
    ["a web page", () => "<!DOCTYPE html><html><body>Attention Required!</body></html>", "PROV_HTML"],
    ["another count than it holds", () => body().replace('"count":900', '"count":901'), "PROV_WRONG_SHAPE"],
  ])("changes nothing when its upstream sends %s for good", async (_name, broken, code) => {
    await uee.run("kev");
    const whole = body();
    entries[7]!.vendorProject = "edited";
    const text = broken();
    body = () => text;
    expect(await uee.run("kev")).toMatchObject({ state: "failed", error: { code } });
    expect([...(await exported(uee.engine, "kev")).values()]).toEqual(JSON.parse(whole).vulnerabilities);
  });
});

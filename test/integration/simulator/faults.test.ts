import { gunzipSync, inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import {
  type FaultName,
  faultCatalog,
  faultNames,
  type Simulator,
  type StandIn,
  stallingFaults,
  startSimulator,
} from "../../../src/simulator/index.ts";
import { type Exchange, exchange, json, nvdPage } from "./http.ts";

/** What is right about an answer; false means the fault shows. */
function isRight(upstream: StandIn, answer: Exchange): boolean {
  if (answer.status !== 200 || !answer.complete || answer.headers["content-encoding"]) return false;
  const text = new TextDecoder("utf-8", { fatal: true });
  try {
    if (upstream === "capec") {
      const xml = text.decode(answer.body);
      return (
        xml.trimEnd().endsWith("</Attack_Pattern_Catalog>") &&
        !xml.includes("Unexpected") &&
        !xml.includes("<!DOCTYPE")
      );
    }
    if (upstream !== "cve" && upstream !== "attack") return false;
    const value = JSON.parse(text.decode(answer.body)) as { totalResults?: number; collections?: unknown[] };
    return upstream === "attack" ? value.collections?.length === 3 : value.totalResults === 30;
  } catch {
    return false;
  }
}

const cases = faultNames
  .filter((name) => name !== "bad-record" && !stallingFaults.includes(name))
  .flatMap((name) => faultCatalog[name].on.map((upstream) => [name, upstream] as [FaultName, StandIn]));

describe("Every fault", () => {
  let simulator: Simulator;
  let addresses: Record<StandIn, string>;
  const right = {} as Record<StandIn, Buffer>;

  beforeAll(async () => {
    simulator = await startSimulator({
      cves: 30,
      cwes: 20,
      capecs: 20,
      attackObjects: 30,
      clock: () => Date.UTC(2026, 5, 1),
    });
    const index = json(await exchange(simulator.urls.attack)) as {
      collections: { versions: { url: string }[] }[];
    };
    // A release before the present one, for those that lag behind.
    for (const provider of ["kev", "epss"] as const) simulator.mutate({ provider, modify: 1 });
    addresses = {
      ...simulator.urls,
      cwe: simulator.urls.cweZip,
      feeds: `${simulator.urls.feeds}/nvdcve-2.0-modified.json.gz`,
      epss: new URL((await exchange(simulator.urls.epss)).headers.location!, simulator.url).href,
    };
    bundle = index.collections[0]!.versions[0]!.url;
    for (const upstream of ["cve", "cwe", "capec", "attack"] as const)
      right[upstream] = (await exchange(addresses[upstream])).body;
  });
  let bundle = "";
  afterAll(() => simulator.close());
  beforeEach(() => simulator.clearFaults());

  const addressOf = (name: FaultName, upstream: StandIn): string =>
    name === "feed-newer" || name === "feed-sha"
      ? `${simulator.urls.feeds}/nvdcve-2.0-modified.meta`
      : (name === "older-edition" && upstream === "epss") || name === "epss-late"
        ? simulator.urls.epss
        : name === "bundle-missing"
          ? bundle
          : name === "bad-json" && upstream === "cwe"
            ? simulator.urls.cweJson
            : addresses[upstream];

  test.each(cases)(
    "%s strikes %s once, is counted and logged, and then the answer is right",
    async (name, upstream) => {
      const url = addressOf(name, upstream);
      const clean = (await exchange(url)).body;
      const before = simulator.counts().injected[name] ?? 0;
      const spec =
        name === "slow"
          ? "slow(20)"
          : name === "oversize"
            ? "oversize(2)"
            : name === "zip-bomb"
              ? "zip-bomb(8)"
              : name === "page-cap"
                ? "page-cap(20)"
                : name;
      simulator.setFaults([`${spec}#1:${upstream}`]);
      let answer: Exchange | undefined;
      try {
        answer = await exchange(url);
      } catch {
        // No header came.
      }
      expect(simulator.log().at(-1)).toMatchObject({ upstream, fault: name, status: answer?.status ?? 0 });
      expect(simulator.counts().injected[name]).toBe(before + 1);
      const benign = faultCatalog[name].cost === "benign";
      if (name === "epss-old-date")
        expect(gunzipSync(answer!.body).toString()).toMatch(/^#model_version:\S+,score_date:\S+\+0000\n/);
      else if (benign && answer && answer.status === 200) expect(answer.body.equals(clean)).toBe(true);
      else if (upstream !== "cwe" && name !== "bundle-missing" && name !== "oversize" && answer)
        expect({ name, right: isRight(upstream, answer) && answer.body.equals(clean) }).toEqual({
          name,
          right: false,
        });
      if (answer)
        expect(answer.status === 200 && answer.complete && answer.body.equals(clean)).toBe(
          benign && answer.status === 200 && name !== "epss-old-date",
        );
      else expect(name).toBe("reset");
      const next = await exchange(url);
      expect([next.status, next.body.equals(clean)]).toEqual([url === simulator.urls.epss ? 302 : 200, true]);
      expect(simulator.log().at(-1)).toMatchObject({ fault: null });
    },
  );

  test("error answers are those of the real upstreams", async () => {
    const ask = async (fault: string): Promise<Exchange> => {
      simulator.setFaults([fault]);
      return exchange(simulator.urls.cve);
    };
    const text = ({ body }: Exchange): string => body.toString();
    expect(text(await ask("status-403"))).toContain("forbidden by administrative rules");
    expect((await ask("status-429")).headers["retry-after"]).toBe("0");
    const front = await ask("status-1015");
    expect([front.status, front.headers["content-type"], text(front)]).toEqual([
      429,
      "text/plain",
      "error code: 1015",
    ]);
    expect((await ask("status-429(7)")).headers["retry-after"]).toBe("7");
    const overload = await ask("status-503");
    expect([overload.headers["retry-after"], text(overload)]).toEqual([
      undefined,
      "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
    ]);
    expect((await ask("status-503-retry-after(3)")).headers["retry-after"]).toBe("3");
    const timeout = await ask("status-524");
    expect([timeout.headers["content-type"], timeout.headers.server, text(timeout)]).toEqual([
      "text/plain",
      "cloudflare",
      "error code: 524",
    ]);
    const cap = await ask("page-cap(20)");
    expect([cap.status, cap.body.length, cap.headers.message]).toEqual([
      404,
      0,
      "resultsPerPage parameter cannot exceed 20.",
    ]);
    expect(text(await ask("html-200"))).toContain("Attention Required! | Cloudflare");
    expect((await ask("bad-key")).headers.message).toBe("Invalid apiKey");
  });

  test("a page within the cap passes, and nothing is counted", async () => {
    const before = simulator.counts().injectedTotal;
    simulator.setFaults(["page-cap(20)"]);
    expect((await exchange(`${simulator.urls.cve}?resultsPerPage=20`)).status).toBe(200);
    expect(simulator.counts().injectedTotal).toBe(before);
  });

  test("lying pages lie as said", async () => {
    const ask = async (fault: string) => {
      simulator.setFaults([fault]);
      return nvdPage(await exchange(simulator.urls.cve));
    };
    expect(await ask("empty-200")).toMatchObject({ totalResults: 0, vulnerabilities: [] });
    const short = await ask("short-page(4)");
    expect([short.totalResults, short.vulnerabilities.length]).toEqual([30, 26]);
    const twice = await ask("duplicate-record");
    expect(twice.vulnerabilities).toHaveLength(30);
    expect(new Set(twice.vulnerabilities.map(({ cve }) => cve.id)).size).toBe(29);
    const jitter = await ask("total-jitter(2)");
    expect(Math.abs(jitter.totalResults - 30)).toBe(2);
    expect(jitter.vulnerabilities).toHaveLength(30);
    const stale = await ask("stale-page");
    const fresh = nvdPage({ body: right.cve } as Exchange);
    expect(stale.vulnerabilities.map(({ cve }) => cve.id)).toEqual(
      fresh.vulnerabilities.map(({ cve }) => cve.id),
    );
    const older = stale.vulnerabilities.filter(
      ({ cve }, i) => cve.lastModified < fresh.vulnerabilities[i]!.cve.lastModified,
    );
    expect(older.length).toBeGreaterThan(5);
    expect(stale.timestamp < fresh.timestamp).toBe(true);
  });

  test("redirects lead to where the same is, without end, or to another host that sees whether the key came along", async () => {
    const moved = async (fault: string): Promise<string> => {
      simulator.setFaults([fault]);
      const answer = await exchange(`${simulator.urls.cve}?resultsPerPage=5`);
      expect([301, 302]).toContain(answer.status);
      return new URL(answer.headers.location!, simulator.url).href;
    };
    for (const fault of ["redirect-301", "redirect-302"]) {
      const target = await moved(fault);
      expect(target).not.toBe(`${simulator.urls.cve}?resultsPerPage=5`);
      expect(nvdPage(await exchange(target)).vulnerabilities).toHaveLength(5);
    }
    expect(await moved("redirect-loop")).toBe(`${simulator.urls.cve}?resultsPerPage=5`);
    const away = await moved("redirect-elsewhere");
    expect(new URL(away).origin).toBe(simulator.elsewhereUrl);
    expect(nvdPage(await exchange(away)).vulnerabilities).toHaveLength(5);
    expect(simulator.counts().violations.keyLeaks).toBe(0);
    await exchange(away, { headers: { apiKey: "k" } });
    expect(simulator.counts().violations.keyLeaks).toBe(1);
    expect(simulator.log().at(-1)).toMatchObject({ elsewhere: true, apiKey: true });
  });

  test("truncated bodies end as said: broken, or cleanly with a length that agrees", async () => {
    const ask = (fault: string): Promise<Exchange> => {
      simulator.setFaults([fault]);
      return exchange(simulator.urls.cve);
    };
    const whole = right.cve.length;
    for (const fault of ["truncated", "truncated-chunked"]) {
      const answer = await ask(fault);
      expect([fault, answer.complete, answer.body.length < whole]).toEqual([fault, false, true]);
    }
    for (const fault of ["truncated-clean", "truncated-close"]) {
      const answer = await ask(fault);
      expect([fault, answer.complete, answer.body.length]).toEqual([fault, true, Math.floor(whole / 2)]);
      expect(() => json(answer)).toThrow();
    }
    const closed = await ask("http10-close");
    expect([closed.headers["content-length"], closed.headers["transfer-encoding"]]).toEqual([
      undefined,
      undefined,
    ]);
    expect(closed.body.equals(right.cve)).toBe(true);
    expect(() => gunzipSync(right.cve)).toThrow();
    const damaged = await ask("gzip-corrupt");
    expect(damaged.headers["content-encoding"]).toBe("gzip");
    expect(() => gunzipSync(damaged.body)).toThrow();
  });

  test.each(["stall", "stall(1000)", "stall-headers"])(
    "%s gives no more, until the client gives up",
    async (fault) => {
      simulator.setFaults([`${fault}#1`]);
      const seen = simulator.log().length;
      const controller = new AbortController();
      let status = 0;
      let bytes = 0;
      const headers = { "accept-encoding": "identity" };
      const call = fetch(simulator.urls.cve, { signal: controller.signal, headers }).then(
        async (response) => {
          status = response.status;
          for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
            bytes += chunk.length;
        },
      );
      const outcome = call.then(
        () => "ended",
        () => "given up",
      );
      while (simulator.log().length === seen) await new Promise((resolve) => setImmediate(resolve));
      // Other requests are served meanwhile; by then an answer that goes on would have ended.
      for (let i = 0; i < 5; i++) expect((await exchange(simulator.urls.cve)).status).toBe(200);
      controller.abort();
      expect(await outcome).toBe("given up");
      expect([status, bytes]).toEqual(
        fault === "stall" ? [200, 0] : fault === "stall(1000)" ? [200, 1_000] : [0, 0],
      );
    },
  );
});

describe("Bad records", () => {
  test.each(["cve", "cwe", "attack"] as const)(
    "of %s stay the same ones until they are mended",
    async (provider) => {
      const simulator = await startSimulator({
        cves: 200,
        cwes: 100,
        attackObjects: 150,
        faults: [`bad-record@0.2:${provider}`],
      });
      try {
        const bad = simulator.badRecords(provider);
        expect(new Set(bad.map(({ kind }) => kind)).size).toBe(4);
        const raw = await allRecords(simulator, provider);
        const ids = new Set(raw.flatMap((record) => idOf(provider, record) ?? []));
        const expected = new Map(bad.map(({ id, kind }) => [id, kind]));
        for (const { id } of simulator.content(provider)) {
          const nameless = ["not-an-object", "no-id", "wrong-id"].includes(expected.get(id) ?? "");
          expect({ id, listed: ids.has(id) }).toEqual({ id, listed: !nameless });
        }
        expect(simulator.counts().injected["bad-record"]).toBeGreaterThanOrEqual(bad.length);
        expect(simulator.badRecords(provider)).toEqual(bad);
        simulator.clearFaults();
        expect(simulator.badRecords(provider)).toEqual([]);
        const mended = new Set(
          (await allRecords(simulator, provider)).flatMap((record) => idOf(provider, record) ?? []),
        );
        for (const { id } of simulator.content(provider)) expect(mended.has(id)).toBe(true);
      } finally {
        await simulator.close();
      }
    },
  );

  test.each(["cweXml", "cweZip", "capec"] as const)(
    "in %s lose their ids, and have them again when mended",
    async (name) => {
      const provider = name === "capec" ? "capec" : "cwe";
      const simulator = await startSimulator({
        cves: 5,
        cwes: 100,
        capecs: 100,
        faults: [`bad-record@0.2:${provider}`],
      });
      try {
        const listed = async (): Promise<number> => {
          const { body } = await exchange(simulator.urls[name]);
          const xml = name === "cweZip" ? inflateFirst(body) : body.toString();
          return [...xml.matchAll(/<(?:Weakness|Attack_Pattern|Category|View)\s[^>]*?ID=["']\d+["']/g)]
            .length;
        };
        const bad = simulator.badRecords(provider).length;
        expect(bad).toBeGreaterThan(5);
        expect(await listed()).toBe(100 - bad);
        expect(simulator.counts().injected["bad-record"]).toBe(bad);
        simulator.clearFaults();
        expect(await listed()).toBe(100);
      } finally {
        await simulator.close();
      }
    },
  );
});

/** The only entry of a zip file, by its local header. */
function inflateFirst(zip: Buffer): string {
  const start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28);
  return inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(18))).toString();
}

async function allRecords(simulator: Simulator, provider: "cve" | "cwe" | "attack"): Promise<unknown[]> {
  if (provider === "cve")
    return nvdPage(await exchange(simulator.urls.cve)).vulnerabilities.map(({ cve }) => cve);
  if (provider === "cwe") {
    const catalogue = json(await exchange(simulator.urls.cweJson)) as Record<string, unknown[]>;
    return ["Weaknesses", "Categories", "Views"].flatMap((name) => catalogue[name]!);
  }
  const index = json(await exchange(simulator.urls.attack)) as {
    collections: { versions: { url: string }[] }[];
  };
  const bundles = await Promise.all(index.collections.map(({ versions }) => exchange(versions[0]!.url)));
  return bundles.flatMap((bundle) => (json(bundle) as { objects: unknown[] }).objects);
}

function idOf(provider: "cve" | "cwe" | "attack", record: unknown): string | undefined {
  const { id, ID } = (typeof record === "object" ? record : {}) as { id?: string; ID?: string };
  return provider === "cwe" ? (ID === undefined ? undefined : `CWE-${ID}`) : id;
}

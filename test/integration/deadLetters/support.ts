/** A small NVD that spoils pages and records on demand, and an engine beside it. */
import type { ServerResponse } from "node:http";
import type { JsonObject } from "../../../src/core/json.ts";
import type { DeadLetter, DeadLetters, RunProgress } from "../../../src/engine/api.ts";
import type { EngineSettings, OpenEngineOptions } from "../../../src/engine.ts";
import { cve } from "../../../src/providers/cve/cve.ts";
import { identify } from "../../../src/providers/cve/record.ts";
import { type ListingServer, makeRecords, startListing } from "../../support/listingServer.ts";
import type { TestRedis } from "../../support/redisServer.ts";
import { openTestEngine, type TestEngine } from "../../support/testEngine.ts";

export interface Mirror {
  uee: TestEngine;
  listing: ListingServer;
  letters: DeadLetters;
  /** Pages, by their first place, that are web pages at present. */
  spoiled: Set<number>;
  /** The provider is mended: it reads what it called bad before. */
  lenient: boolean;
  /** Gives record number `i` a field that no CVE may have, with content of its own; or takes it away. */
  spoil(i: number, content?: string): void;
  mend(i: number): void;
  all(): Promise<DeadLetter[]>;
  /** Works in this process until the run is closed. */
  see(runId: string): Promise<RunProgress>;
  /** Ids of jobs ever added to the queue since it was cleared, of batches and records; the last step of runs apart. */
  added(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startMirror(
  redis: TestRedis,
  {
    records = 20,
    settings = {},
    more = {},
  }: { records?: number; settings?: Partial<EngineSettings>; more?: Partial<OpenEngineOptions> } = {},
): Promise<Mirror> {
  await redis.client().flushall();
  const listing = await startListing(makeRecords(records));
  const mended = {
    ...cve,
    transform: (raw: unknown) => (mirror.lenient ? readAnyway(raw) : cve.transform(raw)),
  };
  const own: Partial<EngineSettings> = {
    providers: { cve: { url: listing.url, rate: "unlimited" } },
    // A page of three is a third of all: here no share of errors pauses.
    errorRate: 1,
    ...settings,
  };
  const uee = await openTestEngine(redis.url, own, { providers: [mended], ...more });
  const { engine } = uee;
  const spoiled = new Set<number>();
  listing.intercept = (url, response: ServerResponse) => {
    if (!spoiled.has(Number(url.searchParams.get("startIndex")))) return false;
    response.writeHead(200, { "content-type": "text/html" }).end("<!DOCTYPE html><html></html>");
    return true;
  };
  const mirror: Mirror = {
    uee,
    listing,
    lenient: false,
    spoiled,
    letters: engine.deadLetters,
    spoil(i, content = "none") {
      listing.records[i] = { ...listing.records[i]!, references: content };
    },
    mend(i) {
      listing.records[i] = { ...listing.records[i]!, references: [] };
    },
    all: async () => (await engine.deadLetters.list({}, { limit: 1000 })).letters,
    async see(runId) {
      const worker = await engine.startWorker();
      try {
        return await engine.waitForRun("cve", runId, { pollMs: 20 });
      } finally {
        await worker.stop();
      }
    },
    async added() {
      const client = redis.client();
      const events = await client.xrange("{uee:cve}:cve:events", "-", "+");
      const ids = new Set<string>();
      for (const [, fields] of events) {
        const at = (name: string) => fields[fields.indexOf(name) + 1];
        if (at("event") === "added" && at("name") !== "finish") ids.add(at("jobId")!);
      }
      return [...ids];
    },
    async close() {
      await uee.close();
      await listing.close();
    },
  };
  return mirror;
}

function readAnyway(raw: unknown) {
  const id = identify(raw);
  if (id === undefined) return cve.transform(raw);
  const data = raw as JsonObject;
  return { id, lastModified: String(data.lastModified), aliases: [], data };
}

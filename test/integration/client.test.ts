import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type ChangeEntry, type ClientOptions, connect, type RunProgress, type Uee } from "uee";
import { providers } from "../../src/providers/registry.ts";
import { type ListingServer, makeRecords, startListing } from "../support/listingServer.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { openTestEngine } from "../support/testEngine.ts";
import { until } from "../support/until.ts";

let redis: TestRedis;
let listing: ListingServer;
let directory: string;
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  redis = await startRedis({ appendonly: true });
  listing = await startListing([]);
  directory = mkdtempSync(join(tmpdir(), "uee-client-"));
});
afterAll(async () => {
  await listing.close();
  await redis.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await redis.client().flushall();
  listing.records = makeRecords(300);
  listing.requests.length = 0;
  listing.intercept = () => false;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function client(options: ClientOptions = {}): Promise<Uee> {
  const uee = await connect({
    redisUrl: redis.url,
    env: {},
    settings: { cveUrl: listing.url, cveRate: "unlimited", waitScale: 0.001, redisChecks: "warn" },
    ...options,
  });
  open.push(uee);
  return uee;
}

/** A worker as another process would be one. */
async function fleet() {
  const uee = await openTestEngine(redis.url, {
    providers: { cve: { url: listing.url, rate: "unlimited" } },
  });
  open.push(uee);
  return uee.engine.startWorker();
}

async function take(changes: AsyncIterable<ChangeEntry>, count: number): Promise<ChangeEntry[]> {
  const taken: ChangeEntry[] = [];
  for await (const entry of changes) {
    taken.push(entry);
    if (taken.length === count) break;
  }
  return taken;
}

const change = (...ids: string[]) => {
  const lastModified = new Date(Date.now() - 1_000).toISOString().slice(0, -1);
  listing.records = listing.records.map((record) =>
    ids.includes(record.id) ? { ...record, lastModified, references: [lastModified] } : record,
  );
};

describe("connect", () => {
  test.each([
    [
      "an unknown setting",
      { settings: { cveUrI: "x" } },
      "SYS_CONFIG_INVALID",
      /no setting 'cveUrI'.*cveUrl/,
    ],
    [
      "a wrong setting",
      { settings: { concurrency: "many" } },
      "SYS_CONFIG_INVALID",
      /option settings\.concurrency must be a whole number/,
    ],
    ["a wrong address", { redisUrl: "http://x" }, "SYS_CONFIG_INVALID", /option redisUrl/],
    ["a wrong variable", { env: { UEE_PERMITS: "0" } }, "SYS_CONFIG_INVALID", /UEE_PERMITS/],
    [
      "a file that is not there",
      { config: "/none.json" },
      "SYS_CONFIG_INVALID",
      /option config: .*cannot be read/,
    ],
    [
      "a Redis that is not there",
      { redisUrl: "redis://127.0.0.1:1", connectTimeoutMs: 200 },
      "SYS_REDIS_UNREACHABLE",
      /127\.0\.0\.1:1/,
    ],
  ] satisfies [string, ClientOptions, string, RegExp][])(
    "says what is wrong with %s",
    async (_name, options, code, message) => {
      await expect(client(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    },
  );

  test("starts no Redis of its own where there is no store", async () => {
    const dataDir = join(directory, "none");
    const nowhere = connect({ env: {}, settings: { dataDir } });
    await expect(nowhere).rejects.toMatchObject({ code: "SYS_NO_STORE" });
  });

  test("takes what the environment says, and options before it", async () => {
    const env = { REDIS_URL: redis.url, UEE_PREFIX: "other", UEE_CVE_URL: "http://127.0.0.1:9/" };
    const uee = await connect({ env, prefix: "mine", settings: { cveUrl: listing.url } });
    open.push(uee);
    await uee.pause("cve");
    expect(await redis.client().exists("{mine:cve}:machine")).toBe(1);
  });
});

describe("a run", () => {
  test("is worked on in this process while no worker lives, with progress, and its worker is gone afterwards", async () => {
    const uee = await client();
    const run = await uee.run("cve", { mode: "full" });
    expect(run).toMatchObject({ provider: "cve", mode: "full", joined: false });
    const seen: RunProgress[] = [];
    const summary = await run.wait({ onProgress: (progress) => seen.push(progress) });
    expect(summary).toMatchObject({ runId: run.runId, state: "complete", created: 300, error: null });
    expect(seen.at(-1)).toMatchObject({ phase: "closed" });
    expect(await run.progress()).toMatchObject({ state: "complete" });
    expect((await uee.status()).workers).toEqual([]);
    const schedules = await uee.schedules();
    expect(schedules).toHaveLength(2 * providers.length);
    expect(schedules[0]).toMatchObject({ next: null });
  });

  test("is left to the fleet where one lives", async () => {
    const worker = await fleet();
    const uee = await client();
    const run = await uee.run("cve");
    let most = 0;
    const summary = await run.wait({
      onProgress: () => void uee.status().then(({ workers }) => (most = Math.max(most, workers.length))),
    });
    expect(summary.state).toBe("complete");
    expect(most).toBeLessThanOrEqual(1);
    expect((await uee.status()).workers.map(({ id }) => id)).toEqual([worker.id]);
  });

  test("that is open is joined; a full one lets an open increment end first, though no worker lives", async () => {
    const uee = await client();
    await (await uee.run("cve")).wait();
    const increment = await uee.run("cve");
    expect(await uee.run("cve")).toMatchObject({ runId: increment.runId, joined: true });
    const full = await uee.run("cve", { mode: "full" });
    expect(await increment.progress()).toMatchObject({ state: "complete", mode: "incremental" });
    expect(await full.wait()).toMatchObject({ state: "complete", mode: "full", unchanged: 300 });
  });

  test("may be waited for by several at once, and for several providers", async () => {
    const uee = await client();
    const others = providers.map(({ name }) => name).filter((name) => name !== "cve");
    await uee.pause("cwe", { reason: "not now" });
    for (const name of others) if (name !== "cwe") await uee.pause(name);
    const runs = await uee.run("all", { mode: "full" });
    expect(runs.runs.map(({ provider }) => provider)).toEqual(["cve"]);
    const [one] = runs.runs;
    const [all, again] = await Promise.all([runs.wait(), one!.wait()]);
    expect(all[0]).toEqual(again);
    expect(all.map(({ state }) => state)).toEqual(["complete", ...others.map(() => "paused")]);
    expect(all[1]).toMatchObject({ provider: "cwe", error: { message: expect.stringContaining("not now") } });
    expect((await uee.status()).workers).toEqual([]);
  });

  test("ends a wait with state paused, by whom and why; resumed, it completes", async () => {
    let let_go = false;
    listing.intercept = async () => {
      await until(() => let_go);
      return false;
    };
    const uee = await client({ actor: "nightly" });
    const run = await uee.run("cve", { mode: "full" });
    const waiting = run.wait();
    await until(() => listing.requests.length > 0);
    await uee.pause("cve", { reason: "too loud" });
    let_go = true;
    expect(await waiting).toMatchObject({
      state: "paused",
      error: { code: "PROV_PAUSED", message: expect.stringMatching(/by nightly.*too loud/) },
    });
    await expect(uee.run("cve")).rejects.toMatchObject({ code: "PROV_PAUSED" });
    expect(await uee.resume("cve")).toMatchObject({ state: "ACQUIRING", actor: "nightly" });
    expect(await run.wait()).toMatchObject({ state: "complete", fetched: 300 });
    await expect(uee.resume("cve")).rejects.toMatchObject({ code: "PROV_ILLEGAL_TRANSITION" });
  });

  test("stays open when the wait is called off or its time is up", async () => {
    let let_go = false;
    listing.intercept = async () => {
      await until(() => let_go);
      return false;
    };
    const uee = await client();
    const run = await uee.run("cve", { mode: "full" });
    await expect(run.wait({ timeoutMs: 50 })).rejects.toMatchObject({
      code: "SYS_WAIT_TIMEOUT",
      message: expect.stringContaining("It was waiting for "),
    });
    const abort = new AbortController();
    const waiting = run.wait({ signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "SYS_INTERRUPTED" });
    expect((await uee.status()).workers).toEqual([]);
    let_go = true;
    expect(await run.wait()).toMatchObject({ state: "complete" });
  });

  test("outlasts a Redis that restarts, and says so when it stays away", async () => {
    let let_go = false;
    listing.intercept = async () => {
      await until(() => let_go);
      return false;
    };
    const uee = await client();
    const run = await uee.run("cve", { mode: "full" });
    const waiting = run.wait();
    await until(() => listing.requests.length > 0);
    await redis.restart();
    let_go = true;
    expect(await waiting).toMatchObject({ state: "complete", fetched: 300 });

    const impatient = await client({ outageMs: 300 });
    const next = await impatient.run("cve", { mode: "full" });
    await redis.kill("SIGKILL");
    try {
      await expect(next.wait()).rejects.toMatchObject({ code: "SYS_REDIS_UNREACHABLE" });
      await expect(impatient.status()).rejects.toMatchObject({ code: "SYS_REDIS_UNREACHABLE" });
    } finally {
      await redis.restart();
    }
  });
});

describe("the mirror", () => {
  test("is read by id and as a whole, and its changes from any cursor on", async () => {
    const uee = await client();
    const start = await uee.cursor();
    await (await uee.run("cve")).wait();
    expect(await uee.records.get("cve-2025-10000")).toMatchObject({ record: { id: "CVE-2025-10000" } });
    expect(await uee.records.get("CVE-1999-0001")).toBeUndefined();
    await expect(uee.records.get("v2e::unknown::cpe::x")).rejects.toMatchObject({ code: "VAL_URN" });
    const ids: string[] = [];
    for await (const { id } of uee.records.export("cve", {})) ids.push(id);
    expect(ids).toHaveLength(300);
    const all: ChangeEntry[] = [];
    for await (const entry of uee.changes({ since: start })) all.push(entry);
    expect(all).toHaveLength(300);
    const rest: ChangeEntry[] = [];
    for await (const entry of uee.changes({ since: all[99]!.cursor })) rest.push(entry);
    expect(rest).toEqual(all.slice(100));
  });

  test("is followed across a Redis that restarts, without a gap or a double; the signal ends it", async () => {
    const uee = await client();
    await (await uee.run("cve")).wait();
    const cursor = await uee.cursor();
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { id } of uee.changes({ since: cursor, follow: true, signal: stop.signal }))
        seen.push(id);
    })();
    change("CVE-2025-10001");
    await (await uee.run("cve")).wait();
    await until(() => seen.length === 1);
    await redis.restart();
    change("CVE-2025-10002", "CVE-2025-10003");
    await until(() =>
      uee.status().then(
        () => true,
        () => false,
      ),
    );
    await (await uee.run("cve")).wait();
    await until(() => seen.length === 3);
    stop.abort();
    await following;
    expect([seen[0], ...seen.slice(1).sort()]).toEqual([
      "CVE-2025-10001",
      "CVE-2025-10002",
      "CVE-2025-10003",
    ]);
  });

  test("refuses a cursor that was trimmed, that is none, or that is another store's; never a gap", async () => {
    const uee = await client({
      settings: { cveUrl: listing.url, cveRate: "unlimited", redisChecks: "warn" },
    });
    await (await uee.run("cve")).wait();
    const [first] = await take(uee.changes(), 1);
    await redis.client().xtrim("{uee:cve}:changes", "MAXLEN", 10);
    await expect(take(uee.changes({ since: first!.cursor }), 1)).rejects.toMatchObject({
      code: "STOR_CURSOR_TRIMMED",
    });
    // Others' places in the cursor do not count for who reads without them.
    expect(await take(uee.changes({ since: first!.cursor, providers: ["cwe"] }), 1)).toEqual([]);
    await expect(take(uee.changes({ since: "nonsense" }), 1)).rejects.toMatchObject({
      code: "STOR_CURSOR_INVALID",
    });
    const end = await uee.cursor();
    await redis.client().flushall();
    await (await client()).cursor();
    await expect(take(uee.changes({ since: end }), 1)).rejects.toMatchObject({ code: "STOR_CURSOR_INVALID" });
  });

  test("shows permits, checkpoints, dead letters and history", async () => {
    listing.records[7]!.references = "none";
    const uee = await client();
    expect(await (await uee.run("cve")).wait()).toMatchObject({ state: "incomplete", deadLettered: 1 });
    const urns = (await uee.checkpoints("cve", { limit: 10 })).map(({ urn }) => urn);
    expect(urns).toContain("v2e::nvd::cve::CVE-2025-10299");
    expect(await uee.deadLetters.count("cve")).toBe(1);
    expect((await uee.permits.resize(4)).configured).toBe(4);
    expect((await uee.history({ provider: "cve", limit: 20 })).map(({ actor }) => actor)).toContain(
      "library",
    );
    await expect(uee.checkpoints("cpe", { limit: 1 })).rejects.toMatchObject({ code: "PROV_UNKNOWN" });
  });
});

describe("closing", () => {
  test("ends what is under way and refuses what comes after", async () => {
    let let_go = false;
    listing.intercept = async () => {
      await until(() => let_go);
      return false;
    };
    const uee = await client();
    const run = await uee.run("cve", { mode: "full" });
    const waiting = run.wait();
    const following = take(uee.changes({ follow: true }), 1);
    await until(() => listing.requests.length > 0);
    let_go = true;
    const closing = uee.close();
    await expect(waiting).rejects.toMatchObject({ code: "API_CLOSED" });
    await expect(following).rejects.toMatchObject({ code: "API_CLOSED" });
    await closing;
    await expect(uee.status()).rejects.toMatchObject({ code: "API_CLOSED" });
    await expect(uee.records.get("CVE-2025-10000")).rejects.toMatchObject({ code: "API_CLOSED" });
    await uee[Symbol.asyncDispose]();
  });
});

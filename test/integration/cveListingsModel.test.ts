/**
 * Listings of NVD with whatever their records may suffer, drawn by a seed: holes, doubles, replicas that disagree, totals that
 * move while they are paged. Whatever comes, the store holds what was received, and "complete" means the upstream's content.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Random } from "../../src/simulator/random.ts";
import { type ListingRecord, makeRecords, startListing } from "../support/listingServer.ts";
import { answerFrom, type Places } from "../support/oddListing.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";
import { exported, openTestEngine } from "../support/testEngine.ts";

const SEEDS = 24;
const oddities = ["hole", "double", "differing double", "replica behind", "grows", "shrinks"] as const;
type Oddity = (typeof oddities)[number];

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

interface Scene {
  odd: Oddity[];
  /** What the two replicas list; the same where they agree. */
  replicas: [Places, Places];
  /** What they list from the request of this number on, where the listing moves. */
  moved: { from: number; places: Places } | undefined;
  holes: number[];
  /** Ids that are listed with two contents. */
  contradicted: string[];
}

const timed = (record: ListingRecord, ms: number): ListingRecord => ({
  ...record,
  lastModified: new Date(ms).toISOString().slice(0, -1),
});

function sceneOf(seed: number): Scene {
  const random = new Random(seed * 7919 + 11);
  const odd = oddities.filter(() => random.chance(0.3));
  if (odd.length === 0) odd.push(random.pick(oddities));
  const has = (one: Oddity): boolean => odd.includes(one);
  // Some listings need a second batch.
  const records = makeRecords(seed % 6 === 0 ? 2_020 : random.int(25, 60));
  const places: (ListingRecord | null)[] = [...records];
  const contradicted: string[] = [];
  if (has("double")) places.splice(random.int(0, places.length), 0, random.pick(records));
  if (has("differing double")) {
    const twin = random.pick(records);
    contradicted.push(twin.id);
    const old = { ...timed(twin, Date.parse("2020-01-01")), references: [{ url: "old" }] };
    places.splice(random.int(0, places.length), 0, old);
  }
  const holes: number[] = [];
  if (has("hole")) {
    const at = random.int(0, places.length - 1);
    places[at] = null;
    holes.push(at);
  }
  const without = random.int(0, places.length - 1);
  const behind = has("replica behind") ? places.filter((_, i) => i !== without) : places;
  const from = random.int(1, 2);
  const late = timed(makeRecords(1, 50_000)[0]!, Date.now());
  const moved =
    has("grows") === has("shrinks")
      ? undefined
      : { from, places: has("grows") ? [...places, late] : places.filter((_, i) => i !== places.length - 2) };
  return { odd, replicas: [places, behind], moved, holes, contradicted };
}

const newer = (one: ListingRecord, other: ListingRecord | undefined): boolean =>
  other === undefined || one.lastModified > other.lastModified;

/** id → the newest version. */
function newestOf(records: Iterable<ListingRecord | null>): Map<string, unknown> {
  const found = new Map<string, ListingRecord>();
  for (const record of records)
    if (record && newer(record, found.get(record.id))) found.set(record.id, record);
  return found;
}

/** Serves the scene, the replicas in turn, `first` first; runs, and looks at what is told and stored. */
async function play(scene: Scene, prefix: string, first: 0 | 1) {
  const listing = await startListing([]);
  const uee = await openTestEngine(redis.url, {
    prefix,
    providers: {
      cve: { url: listing.url, rate: "unlimited", pageSize: scene.replicas[0].length > 100 ? 800 : 10 },
    },
  });
  try {
    const received: ListingRecord[] = [];
    let asked = 0;
    let healthy = false;
    const final = scene.moved?.places ?? scene.replicas[0];
    const whole = [...newestOf(final).values()] as ListingRecord[];
    listing.intercept = (url, response) => {
      const n = asked++;
      const moved = scene.moved && n >= scene.moved.from ? scene.moved.places : undefined;
      const places = healthy ? whole : (moved ?? scene.replicas[((n + first) % 2) as 0 | 1]);
      const end = response.end.bind(response);
      response.end = ((body: string) => {
        const page = JSON.parse(body) as { vulnerabilities: { cve: ListingRecord }[] };
        received.push(...page.vulnerabilities.map(({ cve }) => cve));
        return end(body);
      }) as typeof response.end;
      answerFrom({ places }, url, response);
      return true;
    };
    const run = await uee.run("cve", "full");
    const stored = await exported(uee.engine, "cve");
    const status = (await uee.engine.status()).providers[0]!;
    const partial = await count(uee.engine.records.export("cve", {})).catch(
      (error: { code: string }) => error.code,
    );
    healthy = true;
    const later = await uee.run("cve", "full");
    return {
      ...{ run, stored, status, partial, final, received: newestOf(received) },
      ...{ later, mended: await exported(uee.engine, "cve"), whole: newestOf(whole) },
    };
  } finally {
    await uee.close();
    await listing.close();
  }
}

async function count(records: AsyncIterable<unknown>): Promise<number> {
  let many = 0;
  for await (const _ of records) many++;
  return many;
}

test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))("seed %i", async (seed) => {
  const scene = sceneOf(seed);
  const told = `seed ${seed}: ${scene.odd.join(", ")}`;
  const plays = [await play(scene, `model${seed}a`, 0), await play(scene, `model${seed}b`, 1)];
  for (const { run, stored, status, partial, final, received, later, mended, whole } of plays) {
    const { state, error } = run;
    const said = { told, state, error: error?.message };
    if (state === "complete") {
      expect({ ...said, stored }).toEqual({ ...said, stored: newestOf(final) });
      expect(partial).toBe(stored.size);
    } else {
      expect({ ...said, stored }).toEqual({ ...said, stored: received });
      expect({ ...said, code: error?.code }).toEqual({ ...said, code: "PROV_NOT_VERIFIED" });
      expect(partial).toBe("PROV_UNVERIFIED");
      // What cannot be had is named: places that are not served, ids that came twice, or that the totals disagree.
      expect({ ...said }).toMatchObject({ error: expect.stringMatching(/offset|CVE-|total|different ones/) });
      const only = scene.odd.length === 1 ? scene.odd[0] : undefined;
      if (only === "hole") expect(said.error).toContain(`offset ${scene.holes[0]}`);
      if (only === "differing double") expect(said.error).toContain(scene.contradicted[0]);
    }
    expect({ ...said, fetched: run.fetched }).toEqual({ ...said, fetched: received.size });
    expect(status).toMatchObject({ records: stored.size, verified: state === "complete" });
    expect(status.lastRun).toMatchObject({ state, fetched: run.fetched, error: run.error });
    expect({ told, state: later.state, error: later.error }).toEqual({
      told,
      state: "complete",
      error: null,
    });
    expect({ told, mended }).toEqual({ told, mended: whole });
  }
  // A listing that moves does so at a request of a certain number, which is another place for either order.
  if (scene.moved) return;
  const [one, other] = plays.map(({ run, stored }) => ({
    told,
    state: run.state,
    code: run.error?.code,
    stored,
  }));
  expect(other).toEqual(one);
});

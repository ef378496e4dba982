/** Bundles: one mirror writes them, another one without any upstream loads them and holds the same. */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sha256 } from "../../../src/core/sha256.ts";
import type { Engine, RunProgress } from "../../../src/engine/api.ts";
import { ArchiveWriter, readArchive } from "../../../src/outlets/bundle/archive.ts";
import { Bundle, manifestFiles, readKey } from "../../../src/outlets/bundle/bundle.ts";
import { createBundle } from "../../../src/outlets/bundle/create.ts";
import { BundleLoad, type LoadOptions } from "../../../src/outlets/bundle/load.ts";
import { type Simulator, startSimulator, upstreamNames } from "../../../src/simulator/index.ts";
import { startRedis, type TestRedis } from "../../support/redisServer.ts";
import { exported, openTestEngine, type TestEngine } from "../../support/testEngine.ts";
import { until } from "../../support/until.ts";

const signal = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "uee-bundle-"));
const at = (name: string): string => join(folder, name);
let redis: TestRedis;
let simulator: Simulator;
/** The mirror that has an upstream. */
let origin: TestEngine;
let places = 0;
const opened: TestEngine[] = [];

/** An empty mirror whose upstreams cannot be reached. */
async function island(): Promise<TestEngine> {
  const url = "http://127.0.0.1:1/";
  const mirror = await openTestEngine(redis.url, {
    prefix: `island${++places}`,
    providers: Object.fromEntries(upstreamNames.map((name) => [name, { url, rate: "unlimited" as const }])),
  });
  opened.push(mirror);
  return mirror;
}

beforeAll(async () => {
  [redis, simulator] = await Promise.all([
    startRedis({}),
    startSimulator({ cves: 300, cwes: 40, capecs: 30, attackObjects: 120 }),
  ]);
  origin = await openTestEngine(redis.url, {
    providers: Object.fromEntries(
      upstreamNames.map((name) => [name, { url: simulator.urls[name], rate: "unlimited" as const }]),
    ),
  });
  opened.push(origin);
  for (const name of upstreamNames) await origin.run(name, "full");
});
afterAll(async () => {
  for (const mirror of opened) await mirror.close();
  await Promise.all([redis?.stop(), simulator?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const create = async (name: string, more: { since?: Bundle; providers?: string[]; sign?: string } = {}) => {
  const { since, providers = [...upstreamNames], sign } = more;
  const key = sign === undefined ? undefined : await readKey(sign, "private");
  await createBundle({ engine: origin.engine, path: at(name), providers, since, key, signal });
  return await Bundle.open(at(name));
};

const loadOf = (engine: Engine, bundle: Bundle, over: Partial<LoadOptions> = {}): BundleLoad =>
  new BundleLoad({
    ...{ engine, bundle, older: false, allowShrink: false, signal, say: () => undefined },
    ...{ providers: bundle.manifest.providers.map(({ name }) => name), ...over },
  });

/** Loads a bundle while an ordinary worker takes the batches. */
async function load(
  mirror: TestEngine,
  bundle: Bundle,
  over: Partial<LoadOptions> = {},
): Promise<RunProgress[]> {
  const { engine } = mirror;
  const loading = loadOf(engine, bundle, over);
  await loading.prepare();
  const worker = await engine.startWorker();
  try {
    const names = over.providers ?? bundle.manifest.providers.map(({ name }) => name);
    return await Promise.all(
      names.map(async (name) => {
        const { runId } = await loading.open(name);
        return await engine.waitForRun(name, runId, { pollMs: 20 });
      }),
    );
  } finally {
    await worker.stop();
  }
}

const all = async ({ engine }: TestEngine) =>
  Object.fromEntries(
    await Promise.all(upstreamNames.map(async (name) => [name, await exported(engine, name)])),
  );

const keysLike = async (pattern: string): Promise<number> => (await redis.client().keys(pattern)).length;

describe("a bundle of six providers", () => {
  let target: TestEngine;
  let first: Bundle;
  let second: Bundle;

  test("loaded into an empty mirror without upstreams, all records are equal; no request is sent", async () => {
    first = await create("first");
    await first.verify();
    target = await island();
    const runs = await load(target, first);
    for (const run of runs) {
      expect(run).toMatchObject({
        state: "complete",
        mode: "full",
        requests: 0,
        error: null,
        fetched: run.created,
      });
      expect(run.note).toContain(`bundle ${first.id.slice(0, 16)}`);
    }
    expect(await all(target)).toEqual(await all(origin));
  });

  test("the target is verified as of the origin, with its watermarks and editions", async () => {
    const [here, there] = await Promise.all([target.engine.status(), origin.engine.status()]);
    here.providers.forEach((one, i) => {
      const { watermark, verifiedAt, edition, records } = there.providers[i]!;
      expect(one).toMatchObject({ watermark, verifiedAt, edition, records, openRun: null });
    });
    expect(there.providers.map(({ edition }) => edition?.metadata).filter(Boolean).length).toBeGreaterThan(1);
    expect(await keysLike("*:staged:*")).toBe(0);
  });

  test("the file is a tar that standard tools open", async () => {
    const names = execFileSync("tar", ["-tf", at("first")], { encoding: "utf8" })
      .trim()
      .split("\n");
    expect(names).toEqual([
      ...first.manifest.files.map(({ name }) => name),
      "manifest.json",
      "manifest.sha256",
    ]);
    execFileSync(
      "bash",
      ["-c", "mkdir open && tar -xf first -C open && cd open && sha256sum -c manifest.sha256"],
      { cwd: folder },
    );
    const lines = gunzipSync(readFileSync(at("open/kev/records-0001.ndjson.gz")))
      .toString()
      .trim()
      .split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([
      ...(await exported(origin.engine, "kev")).keys(),
    ]);
  });

  test("a delta holds what changed; loaded on top, all records are equal, removals included", async () => {
    const before = await exported(origin.engine, "cve");
    simulator.mutate({ provider: "cve", add: 3, modify: 7, remove: 4 });
    simulator.mutate({ provider: "epss", modify: 30 });
    await origin.run("cve", "full");
    await origin.run("epss", "full");
    second = await create("second", { since: first });
    await second.verify();
    expect(second.manifest.base).toBe(first.id);
    expect(second.provider("cve")).toMatchObject({
      included: 10,
      base: { records: before.size, removed: 4 },
    });
    expect(second.provider("cwe")).toMatchObject({ included: 0, base: { removed: 0 } });

    const cursor = await target.engine.records.changesEnd();
    const runs = await load(target, second);
    expect(runs.find(({ provider }) => provider === "cve")).toMatchObject({
      ...{ state: "complete", created: 3, updated: 7, removed: 4 },
      ...{ unchanged: before.size - 11 },
    });
    expect(await all(target)).toEqual(await all(origin));
    const ops: string[] = [];
    for await (const { op, provider } of target.engine.records.changes({ since: cursor }))
      if (provider === "cve") ops.push(op);
    expect(ops.sort()).toEqual(
      ["created", "removed", "updated"].flatMap((op, i) => Array([3, 4, 7][i]!).fill(op)),
    );
  });

  test("a delta can continue a delta", async () => {
    simulator.mutate({ provider: "cve", modify: 5, remove: 1 });
    await origin.run("cve", "full");
    const third = await create("third", { since: second, providers: ["cve"] });
    await third.verify();
    expect(third.provider("cve")).toMatchObject({ included: 5, base: { removed: 1 } });
    await load(target, third);
    expect(await exported(target.engine, "cve")).toEqual(await exported(origin.engine, "cve"));
  });

  test("an older bundle is refused, and changes nothing; with --older the store goes back to it", async () => {
    const before = await all(target);
    await expect(load(target, first)).rejects.toMatchObject({ code: "STOR_BUNDLE_OLDER" });
    await expect(load(target, first, { providers: ["epss"] })).rejects.toMatchObject({
      code: "STOR_BUNDLE_OLDER",
    });
    expect(await all(target)).toEqual(before);
    for (const run of await load(target, first, { older: true })) expect(run.state).toBe("complete");
    const fresh = await island();
    await load(fresh, first);
    expect(await all(target)).toEqual(await all(fresh));
  });

  test("a delta is refused where the store does not hold what it continues, and changes nothing", async () => {
    const empty = await island();
    await expect(load(empty, second)).rejects.toMatchObject({ code: "STOR_BUNDLE_BASE" });
    expect((await exported(empty.engine, "cve")).size).toBe(0);
    // cve stands before epss in the bundle: it is not loaded either.
    const partly = await island();
    await load(partly, first, { providers: upstreamNames.filter((name) => name !== "epss") });
    const before = await all(partly);
    await expect(load(partly, second)).rejects.toMatchObject({ code: "STOR_BUNDLE_BASE" });
    expect(await all(partly)).toEqual(before);
    const third = await Bundle.open(at("third"));
    await expect(load(partly, third)).rejects.toMatchObject({ code: "STOR_BUNDLE_BASE" });
    expect(await all(partly)).toEqual(before);
    expect(await keysLike("*:staged:*")).toBe(0);
  });
});

describe("loads beside other work", () => {
  test("two loads of one bundle are one run; a load waits for a run that is open", async () => {
    const mirror = await island();
    const bundle = await create("kev", { providers: ["kev"] });
    const other = await create("kev2", { providers: ["kev"] });
    const [one, two] = [loadOf(mirror.engine, bundle), loadOf(mirror.engine, bundle)];
    await Promise.all([one.prepare(), two.prepare()]);
    const [a, b] = await Promise.all([one.open("kev"), two.open("kev")]);
    expect([a.runId, [a.joined, b.joined].sort()]).toEqual([b.runId, [false, true]]);
    // An ordinary run does not join it.
    const wanted = mirror.engine.openRun({ provider: "kev", mode: "full" });
    await expect(wanted).rejects.toMatchObject({ code: "PROV_RUN_OPEN" });

    const waits: string[] = [];
    const later = loadOf(mirror.engine, other, { say: (line) => waits.push(line) });
    const preparing = later.prepare();
    await until(() => waits.some((line) => line.includes(a.runId)));
    const worker = await mirror.engine.startWorker();
    await preparing;
    const { runId } = await later.open("kev");
    expect(runId).not.toBe(a.runId);
    expect(await mirror.engine.waitForRun("kev", runId, {})).toMatchObject({ state: "complete", created: 0 });
    await worker.stop();
    expect(await exported(mirror.engine, "kev")).toEqual(await exported(origin.engine, "kev"));
  });

  test("whatever happens between staging and opening, the load begins again", async () => {
    const bundle = await Bundle.open(at("kev"));
    const mirror = await island();
    const loading = loadOf(mirror.engine, bundle);
    await loading.prepare();
    await load(mirror, await Bundle.open(at("kev2")));
    // kev2 was verified at the same time: it is not older.
    const { runId } = await loading.open("kev");
    const worker = await mirror.engine.startWorker();
    expect(await mirror.engine.waitForRun("kev", runId, {})).toMatchObject({ state: "complete", updated: 0 });
    await worker.stop();
    expect(await keysLike("*:staged:*")).toBe(0);
  });

  test("a bundle is of one moment, though a run opens while it is made", async () => {
    let disturbed = false;
    const engine: Engine = {
      ...origin.engine,
      records: {
        ...origin.engine.records,
        async *export(name, options) {
          for await (const record of origin.engine.records.export(name, options)) {
            yield record;
            if (disturbed) continue;
            disturbed = true;
            simulator.mutate({ provider: "cve", add: 2, modify: 50, remove: 3 });
            await origin.run("cve", "full");
          }
        },
      },
    };
    await createBundle({ engine, path: at("disturbed"), providers: ["cve"], signal });
    const bundle = await Bundle.open(at("disturbed"));
    await bundle.verify();
    const mirror = await island();
    await load(mirror, bundle);
    expect(await exported(mirror.engine, "cve")).toEqual(await exported(origin.engine, "cve"));
  });

  test("a provider without a complete run is refused by name, and no file appears", async () => {
    const mirror = await island();
    await load(mirror, await Bundle.open(at("kev")));
    const path = at("none");
    const wanted = createBundle({ engine: mirror.engine, path, providers: ["kev", "cwe", "epss"], signal });
    await expect(wanted).rejects.toMatchObject({
      code: "PROV_UNVERIFIED",
      detail: expect.stringMatching(/cwe, epss/),
    });
    expect(readdirSync(folder).filter((name) => name.startsWith("none"))).toEqual([]);
  });

  test("records that are newer than the bundle's stay, and the load says so", async () => {
    const bundle = await create("cve", { providers: ["cve"] });
    const mirror = await openTestEngine(redis.url, {
      prefix: `island${++places}`,
      providers: { cve: { url: simulator.urls.cve, rate: "unlimited" } },
    });
    opened.push(mirror);
    simulator.mutate({ provider: "cve", modify: 6 });
    await mirror.run("cve", "full");
    // As after a run that ended before it verified anything: nothing says that the store is newer.
    await redis.client().hdel(`{island${places}:cve}:meta`, "verifiedAt", "watermark");
    const [run] = await load(mirror, bundle);
    expect(run).toMatchObject({ state: "incomplete", updated: 0, error: { code: "STOR_BUNDLE_OLDER" } });
    const [again] = await load(mirror, bundle, { older: true });
    expect(again).toMatchObject({ state: "complete", updated: 6 });
  });
});

/** The content of one file of a bundle. */
async function fileOf(bundle: string, file: string): Promise<Buffer> {
  for await (const { name, content } of readArchive(at(bundle))) if (name === file) return content;
  throw new Error(`${bundle} holds no ${file}`);
}

describe("a file that is not as it was written", () => {
  const keys = (name: string): void => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    writeFileSync(at(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(at(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
  };

  test("a signature is required where a key is given, and must be that key's", async () => {
    keys("ours");
    keys("theirs");
    const signed = await create("signed", { providers: ["kev"], sign: at("ours.pem") });
    expect(signed.signedBy).toMatch(/^[0-9a-f]{16}$/);
    const [ours, theirs] = [
      await readKey(at("ours.pub"), "public"),
      await readKey(at("theirs.pub"), "public"),
    ];
    expect((await Bundle.open(at("signed"), ours)).id).toBe(signed.id);
    await expect(Bundle.open(at("signed"), theirs)).rejects.toMatchObject({ code: "VAL_BUNDLE_SIGNATURE" });
    await expect(Bundle.open(at("kev"), ours)).rejects.toMatchObject({ code: "VAL_BUNDLE_SIGNATURE" });
    await expect(readKey(at("kev"), "public")).rejects.toMatchObject({ code: "VAL_BUNDLE_KEY" });
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(at("rsa.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    await expect(readKey(at("rsa.pem"), "private")).rejects.toMatchObject({ code: "VAL_BUNDLE_KEY" });
    // Common command-line tools agree.
    execFileSync("tar", ["-xf", "signed", "manifest.json", "manifest.sig"], { cwd: folder });
    const openssl = "pkeyutl -verify -pubin -inkey ours.pub -rawin -in manifest.json -sigfile manifest.sig";
    expect(execFileSync("openssl", openssl.split(" "), { cwd: folder, encoding: "utf8" })).toContain(
      "Successfully",
    );
  });

  test("every byte matters: 1,000 files with one other byte are refused", async () => {
    const bytes = readFileSync(at("signed"));
    const path = at("flipped");
    const passed: number[] = [];
    const codes = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      // The first header and what follows it byte by byte, then the rest in equal steps.
      const place = i < 600 ? i : 600 + Math.floor(((i - 600) * (bytes.length - 600)) / 400);
      const other = Buffer.from(bytes);
      other[place] = other[place]! ^ (1 << (i % 8));
      writeFileSync(path, other);
      try {
        await (await Bundle.open(path)).verify();
        passed.push(place);
      } catch (error) {
        codes.add((error as { code: string }).code);
      }
    }
    expect([passed, [...codes]]).toEqual([[], ["VAL_BUNDLE"]]);
  });

  test("cut anywhere, lengthened, or no bundle at all, it is refused", async () => {
    const bytes = readFileSync(at("signed"));
    const path = at("cut");
    const cuts = [0, 1, 511, 512, 513, bytes.length - 512, bytes.length - 1024, bytes.length - 1];
    const others = [
      ...cuts.map((length) => bytes.subarray(0, length)),
      Buffer.concat([bytes, Buffer.alloc(512)]),
      Buffer.concat([bytes, bytes]),
      Buffer.from("no bundle\n".repeat(1_000)),
    ];
    for (const other of others) {
      writeFileSync(path, other);
      await expect(Bundle.open(path)).rejects.toMatchObject({ code: "VAL_BUNDLE" });
    }
    await expect(Bundle.open(at("absent"))).rejects.toMatchObject({ code: "SYS_FILE_MISSING" });
  });

  test("a file that is exchanged while it is read is refused", async () => {
    writeFileSync(at("moving"), readFileSync(at("kev")));
    const moving = await Bundle.open(at("moving"));
    await moving.verify();
    writeFileSync(at("moving"), readFileSync(at("signed")));
    await expect(moving.verify()).rejects.toMatchObject({ code: "VAL_BUNDLE" });
  });

  test("made again around other records, it is refused by its counts and its digest over all records", async () => {
    const whole = await Bundle.open(at("kev"));
    const forge = async (change: (manifest: typeof whole.manifest) => unknown): Promise<Bundle> => {
      const manifest = structuredClone(whole.manifest);
      change(manifest);
      const archive = await ArchiveWriter.create(at("forged"));
      for await (const { name, content } of readArchive(at("kev")))
        if (!name.startsWith("manifest")) await archive.add(name, content);
      for (const { name, content } of manifestFiles(manifest)) await archive.add(name, content);
      await archive.finish();
      return await Bundle.open(at("forged"));
    };
    await (await forge(() => undefined)).verify();
    const mirror = await island();
    const refused = async (code: string, change: () => object) => {
      const wanted = forge((manifest) => Object.assign(manifest, change()));
      await expect(wanted.then((one) => load(mirror, one))).rejects.toMatchObject({ code });
    };
    const [kev] = whole.manifest.providers as [(typeof whole.manifest.providers)[number]];
    const [file] = whole.manifest.files as [(typeof whole.manifest.files)[number]];
    await refused("VAL_BUNDLE", () => ({ providers: [{ ...kev, records: kev.records + 1 }] }));
    await refused("VAL_BUNDLE", () => ({ providers: [{ ...kev, digest: sha256(Buffer.from("")) }] }));
    await refused("VAL_BUNDLE", () => ({ files: [{ ...file, lines: file.lines + 1 }] }));
    await refused("VAL_BUNDLE_NEWER", () => ({ format: 2 }));
    // The lines themselves must be as they are written, whatever their digests say.
    const path = at("forged");
    const archive = await ArchiveWriter.create(path);
    const other = gzipSync(
      gunzipSync(await fileOf("kev", file.name))
        .toString()
        .replaceAll('"kev"', '"epss"'),
    );
    await archive.add(file.name, other);
    const files = [{ ...file, bytes: other.length, sha256: sha256(other) }];
    for (const { name, content } of manifestFiles({ ...whole.manifest, files }))
      await archive.add(name, content);
    await archive.finish();
    await expect(load(mirror, await Bundle.open(path))).rejects.toMatchObject({ code: "VAL_BUNDLE" });
    await refused("PROV_UNKNOWN", () => ({ providers: [{ ...kev, name: "unheard" }] }));
    expect((await exported(mirror.engine, "kev")).size).toBe(0);
    expect(await keysLike(`{island${places}*:staged*`)).toBe(0);
  });
});

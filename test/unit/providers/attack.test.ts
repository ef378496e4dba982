import { describe, expect, test } from "@jest/globals";
import { isUeeError, type UeeError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { KeptRecord } from "../../../src/core/sourceText.ts";
import { attack } from "../../../src/providers/attack/attack.ts";
import { newestBundles, newestTime } from "../../../src/providers/attack/collections.ts";
import type { FileList } from "../../../src/providers/contract.ts";
import { outcomeOf } from "../../../src/workers/outcome.ts";
import { type Answer, fakeUpstream, runSnapshot } from "./support.ts";

const base = "http://upstream/stix/";
const indexUrl = `${base}index.json`;

const version = (domain: string, number = "18.1", modified = "2025-11-13T00:00:00.000Z") => ({
  version: number,
  modified,
  url: `${domain}-attack/${domain}-attack-${number}.json`,
});
const collectionIds = {
  enterprise: "x-mitre-collection--1f5f1533-f617-4ca8-9ab4-6a02367fa019",
  mobile: "x-mitre-collection--dac0d2d7-8653-445c-9bff-82f934c1e858",
  ics: "x-mitre-collection--90c00720-636b-4485-b342-8751d232bf09",
};
const collection = (domain: keyof typeof collectionIds, versions: unknown[], name = `${domain} ATT&CK`) => ({
  id: collectionIds[domain],
  name,
  versions,
});
const index = (change: Record<string, unknown[]> = {}): JsonObject => ({
  name: "MITRE ATT&CK",
  collections: [
    collection("enterprise", change.enterprise ?? [version("enterprise")]),
    collection("mobile", change.mobile ?? [version("mobile")]),
    collection("ics", change.ics ?? [version("ics")]),
  ],
});

const idOf = (n: number, type = "attack-pattern") =>
  `${type}--${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`;
const object = (n: number, change: JsonObject = {}): JsonObject => ({
  type: "attack-pattern",
  id: idOf(n),
  modified: "2025-01-01T00:00:00.000Z",
  ...change,
});
const bundle = (objects: unknown[]): Answer => ({
  body: JSON.stringify({ type: "bundle", id: "bundle--1", objects }),
});

const answers = (
  bundles: { enterprise?: Answer; mobile?: Answer; ics?: Answer } = {},
  indexAnswer: Answer = { body: JSON.stringify(index()) },
): Record<string, Answer> => ({
  [indexUrl]: indexAnswer,
  [`${base}enterprise-attack/enterprise-attack-18.1.json`]: bundles.enterprise ?? bundle([object(1)]),
  [`${base}mobile-attack/mobile-attack-18.1.json`]: bundles.mobile ?? bundle([object(2)]),
  [`${base}ics-attack/ics-attack-18.1.json`]: bundles.ics ?? bundle([object(3)]),
});

const domainsIn = (changeKey: JsonObject | undefined): string[] =>
  Object.keys((changeKey as { files: JsonObject }).files);

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isUeeError(error) ? error.code : String(error)),
  );

describe("The index of ATT&CK", () => {
  test("gives the newest version of each domain, in whatever order it lists them", () => {
    const old = version("enterprise", "9.0", "2021-04-29T00:00:00.000Z");
    const newest = version("enterprise", "18.1", "2025-11-13T00:00:00.000Z");
    const middle = version("enterprise", "17.1", "2025-05-06T00:00:00.000Z");
    for (const enterprise of [
      [old, newest, middle],
      [newest, middle, old],
      [middle, old, newest],
    ]) {
      expect(newestBundles(index({ enterprise })).enterprise).toEqual(newest);
    }
  });

  test("goes by version numbers, not by their spelling, where times do not tell", () => {
    const versions = ["9.1", "10.0", "10.0.1", "2"].map((number) => version("ics", number, ""));
    expect(newestBundles(index({ ics: versions })).ics.version).toBe("10.0.1");
  });

  test("tells MITRE's collections by their ids, whatever they and others are called", () => {
    const newer = version("enterprise", "99.0", "2099-01-01T00:00:00.000Z");
    const { mobile, ics, enterprise } = newestBundles({
      collections: [
        {
          id: "x-mitre-collection--aaaaaaaa-f617-4ca8-9ab4-6a02367fa019",
          name: "Our Enterprise extensions",
          versions: [newer],
        },
        { name: "Enterprise ATT&CK", versions: [newer] },
        collection("enterprise", [version("enterprise")], "Unternehmen"),
        { ...collection("mobile", [version("mobile")]), id: collectionIds.mobile.toUpperCase() },
        collection("ics", [{ url: "https://x/enterprise.json", version: "1" }], ""),
      ],
    });
    expect([enterprise.version, mobile.version, ics.url]).toEqual([
      "18.1",
      "18.1",
      "https://x/enterprise.json",
    ]);
  });

  test("that lacks one of the three is refused by name, even where another collection is called like it", () => {
    const collections = [
      collection("mobile", [version("mobile")]),
      { ...collection("enterprise", [version("enterprise")]), id: "x-mitre-collection--other" },
      collection("ics", [version("ics")]),
    ];
    expect(() => newestBundles({ collections })).toThrow(`enterprise (${collectionIds.enterprise})`);
  });

  test.each<[string, unknown]>([
    ["is a list", []],
    ["has no collections", { collections: {} }],
    ["lacks a domain", { collections: [collection("enterprise", [version("enterprise")])] }],
    ["has a domain without versions", index({ ics: [] })],
    ["has a version without an address", index({ ics: [{ version: "18.1" }] })],
  ])("is refused when it %s", (_, given) => {
    expect(() => newestBundles(given)).toThrow("PROV_WRONG_SHAPE");
  });

  test("says how new it is", () => {
    const bundles = newestBundles(index({ ics: [version("ics", "18.1", "2025-12-01T00:00:00Z")] }));
    expect(newestTime(bundles)).toBe("2025-12-01T00:00:00Z");
  });
});

describe("ATT&CK", () => {
  test("is every object of all three bundles, however the bytes arrive", async () => {
    const all = {
      enterprise: bundle([object(1), { type: "relationship", id: idOf(4, "relationship"), revoked: true }]),
      mobile: bundle([object(2, { x_mitre_deprecated: true })]),
      ics: bundle([object(3), { type: "x-mitre-analytic", id: idOf(5, "x-mitre-analytic") }]),
    };
    for (const chunkBytes of [1, 13, 100_000]) {
      const upstream = fakeUpstream(answers(all), { chunkBytes });
      const { records, staged } = await runSnapshot(attack, upstream);
      expect(records.map(attack.identify)).toEqual([
        idOf(1),
        idOf(4, "relationship"),
        idOf(2),
        idOf(3),
        idOf(5, "x-mitre-analytic"),
      ]);
      const name = { version: "18.1", date: "2025-11-13T00:00:00.000Z" };
      const edition = { ...name, parts: { enterprise: name, mobile: name, ics: name } };
      expect(staged.facts).toEqual({ group: "snapshot", total: 5, edition });
      expect(upstream.requests.length).toBe(4);
    }
  });

  test("keeps one copy of an object: the newest, of equally new ones enterprise before mobile before ICS", async () => {
    const marking = { type: "marking-definition", id: idOf(9, "marking-definition") };
    const { records } = await runSnapshot(
      attack,
      fakeUpstream(
        answers({
          enterprise: bundle([
            object(1, { from: "enterprise" }),
            object(2, { from: "enterprise", modified: "2025-01-01T00:00:00.100Z" }),
            { ...marking, created: "2017-06-01T00:00:00.000Z", from: "enterprise" },
          ]),
          mobile: bundle([
            object(1, { from: "mobile" }),
            object(2, { from: "mobile", modified: "2025-01-01T00:00:00.2Z" }),
            object(3, { from: "mobile" }),
            { ...marking, created: "2017-06-01T00:00:00.000Z", from: "mobile" },
          ]),
          ics: bundle([
            object(2, { from: "ics", modified: "2024-12-31T00:00:00.000Z" }),
            object(3, { from: "ics" }),
          ]),
        }),
      ),
    );
    const from = Object.fromEntries(
      records.map((raw) => [attack.identify(raw), (raw as { from: string }).from]),
    );
    expect(from).toEqual({
      [idOf(1)]: "enterprise",
      [idOf(2)]: "mobile",
      [idOf(3)]: "mobile",
      [idOf(9, "marking-definition")]: "enterprise",
    });
    expect(records.length).toBe(4);
  });

  test("costs one request when no domain has a newer version, with or without etags", async () => {
    for (const headers of [{}, { etag: '"1"' }] as Record<string, string>[]) {
      const given = answers({}, { body: JSON.stringify(index()), headers });
      const { staged } = await runSnapshot(attack, fakeUpstream(given));
      const reordered = answers({}, { body: JSON.stringify(index(), null, 2), headers });
      const again = fakeUpstream(reordered, { mode: "incremental", changeKey: staged.changeKey });
      expect((await runSnapshot(attack, again)).staged).toMatchObject({ notModified: true, records: [] });
      expect(again.requests.length).toBe(1);
      expect(again.staged.size).toBe(0);
    }
  });

  test("with a newer version in one domain: its bundle alone is fetched, the records of the others are kept", async () => {
    const lists = new Map<string, FileList>();
    const { staged } = await runSnapshot(attack, fakeUpstream(answers(), { lists }));
    const newer = index({ ics: [version("ics", "18.2", "2025-12-01T00:00:00.000Z"), version("ics")] });
    const given = {
      ...answers({}, { body: JSON.stringify(newer) }),
      [`${base}ics-attack/ics-attack-18.2.json`]: bundle([object(3), object(4)]),
    };
    const later = (known: JsonObject | undefined) =>
      fakeUpstream(given, { mode: "incremental", changeKey: known, lists });
    const upstream = later(staged.changeKey);
    const second = await runSnapshot(attack, upstream);
    expect(second.records.map((record) => record instanceof KeptRecord)).toEqual([true, true, false, false]);
    expect(second.staged.facts?.edition?.parts?.enterprise?.version).toBe("18.1");
    expect(upstream.requests.length).toBe(2);
    const third = later(second.staged.changeKey);
    expect((await runSnapshot(attack, third)).staged.notModified).toBe(true);
    lists.clear();
    const without = later(staged.changeKey);
    expect((await runSnapshot(attack, without)).records.length).toBe(4);
    expect(without.requests.length).toBe(4);
  });

  test("names the edition that a bundle holds where it lags behind the index, and keeps no change key of it", async () => {
    const collection = (held: string) => ({
      ...object(7),
      type: "x-mitre-collection",
      x_mitre_version: held,
      modified: "2025-05-06T00:00:00.000Z",
    });
    const holding = (held: string) =>
      runSnapshot(attack, fakeUpstream(answers({ mobile: bundle([collection(held), object(2)]) })));
    const lagging = await holding("17.1");
    expect(domainsIn(lagging.staged.changeKey)).toEqual(["enterprise", "ics"]);
    expect(lagging.staged.facts?.edition?.parts?.mobile).toEqual({
      version: "17.1",
      date: "2025-05-06T00:00:00.000Z",
    });
    expect(domainsIn((await holding("18.1")).staged.changeKey)).toEqual(["enterprise", "mobile", "ics"]);
  });

  test("keeps no address in its change key: those of bundles may hold credentials", async () => {
    const url = "https://elsewhere/ics.json?sig=s3cr3t";
    const given = {
      ...answers({}, { body: JSON.stringify(index({ ics: [{ version: "1", url }] })) }),
      [url]: bundle([object(3)]),
    };
    const { staged } = await runSnapshot(attack, fakeUpstream(given));
    expect(JSON.stringify(staged)).not.toMatch(/s3cr3t|elsewhere/);
    const again = fakeUpstream(given, { mode: "incremental", changeKey: staged.changeKey });
    expect((await runSnapshot(attack, again)).staged.notModified).toBe(true);
  });

  test("is fetched whole and unconditionally in a full run", async () => {
    const given = answers({}, { body: JSON.stringify(index()), headers: { etag: '"1"' } });
    const { staged } = await runSnapshot(attack, fakeUpstream(given));
    const full = fakeUpstream(given, { mode: "full", changeKey: staged.changeKey });
    expect((await runSnapshot(attack, full)).records.length).toBe(3);
    expect(full.requests[0]?.headers).toEqual({});
  });

  test("fetches bundles from where the index says, absolute or relative", async () => {
    const elsewhere = "https://elsewhere/ics.json";
    const given = {
      ...answers({}, { body: JSON.stringify(index({ ics: [{ version: "1", url: elsewhere }] })) }),
      [elsewhere]: bundle([object(3)]),
    };
    const upstream = fakeUpstream(given);
    await runSnapshot(attack, upstream);
    expect(upstream.requests.map(({ url }) => url)).toContain(elsewhere);
    // The rules for addresses found in an answer are the client's.
    expect(upstream.requests.map(({ foundIn }) => foundIn?.url)).toEqual([
      undefined,
      indexUrl,
      indexUrl,
      indexUrl,
    ]);
  });

  test("names the bundle that is not there, or that is not what it should be", async () => {
    const { [`${base}mobile-attack/mobile-attack-18.1.json`]: _, ...given } = answers();
    await expect(runSnapshot(attack, fakeUpstream(given))).rejects.toThrow(
      `PROV_NOT_FOUND: The mobile bundle 18.1 at ${base}mobile-attack/mobile-attack-18.1.json`,
    );
    const broken = fakeUpstream(answers({ ics: { body: '{"type":"bundle","objects":[{]}' } }));
    await expect(runSnapshot(attack, broken)).rejects.toThrow("PROV_BAD_JSON: The ics bundle 18.1");
  });

  test("does not ask a third time for a bundle whose wrong bytes came twice", async () => {
    const broken = { body: '{"type":"bundle","objects":[{]}' };
    const upstream = fakeUpstream(answers({ ics: broken }));
    const failure = () =>
      runSnapshot(attack, upstream).then(
        () => undefined,
        (error: UeeError) => error,
      );
    expect((await failure())?.data.final).toBeUndefined();
    const again = await failure();
    expect(again).toMatchObject({ code: "PROV_BAD_JSON", data: { final: true } });
    expect(again?.message).toContain("The same bytes came twice");
    const outcome = outcomeOf(again, { made: 1, allowed: 8 });
    expect(outcome.kind).toBe("dead");
  });

  test.each<[string, Answer, string]>([
    ["cut off", { body: '{"type":"bundle","objects":[{"id":"x"}' }, "PROV_TRUNCATED"],
    ["not a bundle", { body: '{"type":"report","objects":[{}]}' }, "PROV_WRONG_SHAPE"],
    ["without objects", { body: '{"type":"bundle"}' }, "PROV_WRONG_SHAPE"],
    ["with objects that are no list", { body: '{"type":"bundle","objects":{}}' }, "PROV_WRONG_SHAPE"],
    ["a list", { body: "[]" }, "PROV_WRONG_SHAPE"],
    ["empty", bundle([]), "PROV_EMPTY_LIE"],
    ["followed by rubbish", { body: '{"type":"bundle","objects":[{}]}}' }, "PROV_BAD_JSON"],
    ["not UTF-8", { body: Buffer.from('{"type":"bundle","objects":["\xff"]}', "latin1") }, "PROV_NOT_UTF8"],
  ])("plans no commit when the last bundle is %s", async (_, ics, code) => {
    expect(await codeOf(runSnapshot(attack, fakeUpstream(answers({ ics }))))).toBe(code);
  });

  test.each<[string, string, string]>([
    ["is no JSON", "<", "PROV_BAD_JSON"],
    ["is of another shape", '{"type":"bundle"}', "PROV_WRONG_SHAPE"],
  ])("plans no commit when the index %s", async (_, body, code) => {
    const upstream = fakeUpstream(answers({}, { body }));
    expect(await codeOf(runSnapshot(attack, upstream))).toBe(code);
    expect(upstream.requests.length).toBe(1);
  });

  test("counts objects without a valid id, each for itself", async () => {
    const { records, staged } = await runSnapshot(
      attack,
      fakeUpstream(answers({ ics: bundle([null, 7, { id: "T1059" }, { type: "tool" }, object(3)]) })),
    );
    expect(records.length).toBe(7);
    expect(staged.facts?.total).toBe(7);
  });
});

describe("A STIX object as a record", () => {
  const references = [
    { source_name: "mitre-attack", external_id: "T1059.001", url: "u" },
    { source_name: "capec", external_id: "CAPEC-1" },
    { source_name: "mitre-ics-attack", external_id: "T0807" },
    { source_name: "mitre-attack" },
    null,
  ];

  test("has its STIX id for identity and its ATT&CK ids for aliases", () => {
    const raw = object(1, { external_references: references });
    expect(attack.transform(raw)).toEqual({
      id: idOf(1),
      lastModified: "2025-01-01T00:00:00.000Z",
      aliases: ["T1059.001", "T0807"],
      data: raw,
    });
  });

  test("without modified has its creation for a version, without both none", () => {
    const { modified: _, ...bare } = object(1);
    expect(attack.transform({ ...bare, created: "2017-01-01T00:00:00Z" }).lastModified).toBe(
      "2017-01-01T00:00:00Z",
    );
    expect(attack.transform(bare).lastModified).toBe(null);
  });

  test.each<[string, unknown, string]>([
    ["text", "x", "VAL_RECORD_SHAPE"],
    ["an object without id", { type: "tool" }, "VAL_RECORD_ID"],
    ["an ATT&CK id for an id", object(1, { id: "T1059" }), "VAL_RECORD_ID"],
    ["an id that is a number", object(1, { id: 7 }), "VAL_RECORD_ID"],
    ["references that are an object", object(1, { external_references: {} }), "VAL_RECORD_FIELD"],
    ["platforms that are text", object(1, { x_mitre_platforms: "Linux" }), "VAL_RECORD_FIELD"],
    ["a definition that is a list", object(1, { definition: [] }), "VAL_RECORD_FIELD"],
  ])("is set aside when it is %s", async (_, raw, code) => {
    expect(await codeOf(Promise.resolve().then(() => attack.transform(raw)))).toBe(code);
  });

  test("passes with nulls, unknown fields and scalars of any type", () => {
    const raw = object(1, { kill_chain_phases: null, name: 7, x_new: [{}], revoked: "yes" });
    expect(attack.transform(raw).data).toBe(raw);
  });

  test("is found by its id in any case", () => {
    expect(attack.normalizeId(` ${idOf(1).toUpperCase()} `)).toBe(idOf(1));
    expect(attack.normalizeId("T1059.001")).toBeUndefined();
    expect(attack.normalizeId("attack-pattern--1")).toBeUndefined();
  });

  test("is preferred for an alias when in force, then when a technique, then when newer", () => {
    const tool = object(1, { type: "tool", modified: "2026-01-01T00:00:00.000Z" });
    const older = object(2);
    const newer = object(3, { modified: "2025-02-01T00:00:00.000Z" });
    const revoked = object(4, { revoked: true, modified: "2026-01-01T00:00:00.000Z" });
    const deprecated = object(5, { x_mitre_deprecated: true, modified: "2026-01-01T00:00:00.000Z" });
    const order = [newer, older, tool, deprecated, revoked];
    for (let worse = 1; worse < order.length; worse++) {
      const two = [order[worse]!, order[worse - 1]!];
      expect(attack.preferAlias?.(two)).toBe(order[worse - 1]);
      expect(attack.preferAlias?.(two.reverse())).toBe(order[worse - 1]);
    }
    expect(attack.preferAlias?.([])).toBeUndefined();
  });
});

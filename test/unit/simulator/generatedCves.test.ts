import { beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson, isObject, type JsonObject } from "../../../src/core/json.ts";
import { CveCatalog } from "../../../src/simulator/cve/catalog.ts";
import { GeneratedCves } from "../../../src/simulator/cve/generated.ts";

const NOW = Date.UTC(2026, 5, 1);

const catalogOf = (
  options: {
    seed?: number;
    count?: number;
    point?: "before" | "after";
    recordBytes?: number;
    extremes?: boolean;
    drift?: boolean;
    oddTimes?: boolean;
  } = {},
): CveCatalog =>
  new CveCatalog(
    new GeneratedCves({
      seed: options.seed ?? 1,
      count: options.count ?? 2_000,
      now: NOW,
      recordBytes: options.recordBytes,
      extremes: options.extremes ?? true,
      drift: options.drift ?? false,
      oddTimes: options.oddTimes,
    }),
    { seed: options.seed ?? 1, order: "id", point: options.point ?? "before", clock: () => NOW },
  );

const recordsOf = (catalog: CveCatalog): Map<string, JsonObject> =>
  new Map(
    Array.from(catalog.select({}), (slot) => {
      const record = JSON.parse(catalog.text(slot)) as JsonObject;
      return [String(record.id), record] as const;
    }),
  );

const changedFields = (a: JsonObject, b: JsonObject): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (key) => canonicalJson(a[key] ?? null) !== canonicalJson(b[key] ?? null),
  );

describe("Generated CVEs", () => {
  let catalog: CveCatalog;
  let before: Map<string, JsonObject>;

  beforeAll(() => {
    catalog = catalogOf();
    before = recordsOf(catalog);
  });

  test("have ids of their own, of NVD's form, in ascending order", () => {
    const ids = [...before.keys()];
    expect(ids).toHaveLength(2_000);
    for (const id of ids) expect(id).toMatch(/^CVE-\d{4}-\d{4,}$/);
    const numeric = ids.map((id) => id.slice(4).split("-").map(Number) as [number, number]);
    for (let i = 1; i < numeric.length; i++) {
      const [[y1, n1], [y2, n2]] = [numeric[i - 1]!, numeric[i]!];
      expect(y2 > y1 || (y2 === y1 && n2 > n1)).toBe(true);
    }
  });

  test("are found by their id and by no other", () => {
    for (const slot of [0, 1, 777, 1_999]) expect(catalog.source.slotOf(catalog.source.id(slot))).toBe(slot);
    expect(catalog.source.slotOf("CVE-1980-0001")).toBeUndefined();
    expect(catalog.source.slotOf("nonsense")).toBeUndefined();
  });

  test("are the same bytes for the same seed and others for another", () => {
    const text = (one: CveCatalog): string => Array.from(one.select({}), (slot) => one.text(slot)).join("\n");
    expect(text(catalogOf({ count: 300 }))).toBe(text(catalogOf({ count: 300 })));
    expect(text(catalogOf({ count: 300, seed: 2 }))).not.toBe(text(catalogOf({ count: 300 })));
  });

  test("have the size and the spread of the real feed", () => {
    const ordinary = catalogOf({ count: 3_000, extremes: false });
    const sizes = Array.from(ordinary.select({}), (slot) => Buffer.byteLength(ordinary.text(slot)));
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    expect(mean).toBeGreaterThan(3_000);
    expect(mean).toBeLessThan(5_000);
    expect(Math.max(...sizes)).toBeGreaterThan(10_000);
    expect(Math.min(...sizes)).toBeLessThan(600);
    const years = new Set([...before.values()].map(({ lastModified }) => String(lastModified).slice(0, 4)));
    expect(years.size).toBeGreaterThan(15);
  });

  test("hold the extremes that break mirrors", () => {
    const texts = Array.from(catalog.select({}), (slot) => catalog.text(slot));
    const all = [...before.values()];
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeGreaterThan(684_000);
    expect(
      Math.max(...all.map(({ references }) => (Array.isArray(references) ? references.length : 0))),
    ).toBe(434);
    for (const piece of [
      "\\ud800",
      "\\udfff",
      "\ufffd",
      "\u202e",
      "\u200b",
      "😀",
      "1e21",
      "-0,",
      "Ã³",
      "\\r\\n",
    ])
      expect(texts.some((text) => text.includes(piece))).toBe(true);
    const dangerous = all.find((record) => Object.hasOwn(record, "__proto__"));
    expect(dangerous && Object.hasOwn(dangerous, "constructor")).toBe(true);
    expect(all.some(({ references }) => references === null)).toBe(true);
    expect(all.some((record) => !("published" in record))).toBe(true);
    expect(texts.some((text) => text.includes("vulnerableSystemConfidentiality"))).toBe(true);
    const rejected = all.filter(({ vulnStatus }) => vulnStatus === "Rejected");
    expect(rejected.length).toBeGreaterThan(20);
    for (const { metrics, references } of rejected) expect([metrics, references]).toEqual([{}, []]);
  });

  test("are without extremes what NVD's schema allows: no nulls, no lone surrogates, its own words only", () => {
    const plain = catalogOf({ count: 3_000, extremes: false });
    const allowed: Record<string, string[]> = {
      Safety: ["NOT_DEFINED", "NEGLIGIBLE", "PRESENT"],
      exploitMaturity: ["NOT_DEFINED", "UNREPORTED", "PROOF_OF_CONCEPT", "ATTACKED"],
      Recovery: ["NOT_DEFINED", "AUTOMATIC", "USER", "IRRECOVERABLE"],
      attackVector: ["NETWORK", "ADJACENT_NETWORK", "ADJACENT", "LOCAL", "PHYSICAL"],
      baseSeverity: ["NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL"],
      vulnStatus: [
        "Analyzed",
        "Modified",
        "Deferred",
        "Rejected",
        "Received",
        "Awaiting Analysis",
        "Undergoing Analysis",
        "Not Scheduled",
      ],
    };
    const seen = new Map(Object.keys(allowed).map((key) => [key, new Set<unknown>()]));
    const look = (value: unknown): void => {
      expect(value).not.toBeNull();
      if (typeof value === "string") expect(Buffer.from(value).toString()).toBe(value);
      if (Array.isArray(value)) for (const one of value) look(one);
      else if (isObject(value))
        for (const [key, one] of Object.entries(value)) {
          seen.get(key)?.add(one);
          look(one);
        }
    };
    const records = [...recordsOf(plain).values()];
    for (const record of records.slice(0, 600)) look(record);
    for (const [key, values] of seen) for (const value of values) expect(allowed[key]).toContain(value);
    expect(seen.get("vulnStatus")!.size).toBe(8);

    const live = records.filter(({ vulnStatus }) => vulnStatus !== "Rejected");
    const share = (test: (record: JsonObject) => boolean): number => live.filter(test).length / live.length;
    expect(share(({ affected }) => Array.isArray(affected))).toBeGreaterThan(0.8);
    expect(share(({ metrics }) => Array.isArray((metrics as JsonObject).ssvcV203))).toBeGreaterThan(0.7);
    const ssvc = live.map((one) => [one.id, ((one.metrics as JsonObject).ssvcV203 as JsonObject[])?.[0]]);
    for (const [id, entry] of ssvc) if (entry) expect(entry).toMatchObject({ ssvcData: { id } });
    for (const digits of [6, 7])
      expect(records.some(({ id }) => String(id).length === 9 + digits)).toBe(true);
  });

  test("have times of other forms where that is asked for, and the same instants", () => {
    const odd = [...recordsOf(catalogOf({ count: 600, oddTimes: true, extremes: false })).values()];
    const usual = recordsOf(catalogOf({ count: 600, extremes: false }));
    const forms = new Set<string>();
    for (const { id, lastModified } of odd) {
      const [, fraction = "", zone = ""] = /^[\dT:-]{19}(?:\.(\d+))?(Z|\+00:00)?$/.exec(
        String(lastModified),
      )!;
      forms.add(`${fraction.length}${zone}`);
      const whole = `${String(lastModified).slice(0, 19)}.${fraction.slice(0, 3)}`;
      expect(String(usual.get(String(id))!.lastModified).startsWith(whole.replace(/\.$/, ""))).toBe(true);
    }
    expect(forms.size).toBe(30);
  });

  test("change between the two points in time exactly as reported", () => {
    const later = catalogOf();
    const report = later.setPoint("after");
    const after = recordsOf(later);
    const gone = [...before.keys()].filter((id) => !after.has(id));
    const fresh = [...after.keys()].filter((id) => !before.has(id));
    expect(gone.sort()).toEqual([...report.removed].sort());
    expect(fresh.sort()).toEqual([...report.added].sort());
    const changed = new Set([...report.modified, ...report.rejected, ...report.silent]);
    for (const [id, record] of before) {
      const now = after.get(id);
      if (now)
        expect({ id, changed: changedFields(record, now).length > 0 }).toEqual({
          id,
          changed: changed.has(id),
        });
    }
    for (const list of Object.values(report)) expect(list.length).toBeGreaterThan(0);
  });

  test("carry a recent lastModified when modified, the old one when edited silently", () => {
    const later = catalogOf();
    const report = later.setPoint("after");
    const after = recordsOf(later);
    const newest = [...before.values()]
      .map(({ lastModified }) => String(lastModified))
      .sort()
      .at(-1)!;
    for (const id of [...report.modified, ...report.rejected, ...report.added])
      expect(String(after.get(id)!.lastModified) > newest).toBe(true);
    for (const id of report.silent) {
      const fields = changedFields(before.get(id)!, after.get(id)!);
      expect(fields).not.toContain("lastModified");
      expect(fields.length).toBeGreaterThan(0);
    }
    for (const id of report.rejected) expect(after.get(id)!.vulnStatus).toBe("Rejected");
  });

  test.each([undefined, 600])(
    "change in one field and lastModified when modified once (record bytes %s)",
    (recordBytes) => {
      const later = catalogOf({ extremes: false, ...(recordBytes ? { recordBytes } : {}) });
      const was = recordsOf(later);
      const { modified } = later.mutate({ modify: 100, at: NOW });
      const is = recordsOf(later);
      for (const id of modified) {
        if (was.get(id)!.vulnStatus === "Rejected") continue;
        const fields = changedFields(was.get(id)!, is.get(id)!);
        expect(fields).toContain("lastModified");
        expect(fields).toHaveLength(2);
      }
    },
  );

  test("carry unknown fields and nulls when the schema drifts", () => {
    const drifted = [...recordsOf(catalogOf({ count: 100, extremes: false, drift: true })).values()];
    for (const record of drifted.filter(({ vulnStatus }) => vulnStatus !== "Rejected"))
      expect(record).toMatchObject({ evaluatorImpact: null, x_next: [{ nested: [null, {}] }] });
  });

  test("can be small", () => {
    const lean = catalogOf({ count: 500, recordBytes: 600, extremes: false });
    const sizes = Array.from(lean.select({}), (slot) => Buffer.byteLength(lean.text(slot)));
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeLessThan(2_200);
  });

  test("go back to the first point as if nothing had happened", () => {
    const there = catalogOf();
    there.setPoint("after");
    there.mutate({ add: 3, remove: 2 });
    there.setPoint("before");
    expect(recordsOf(there)).toEqual(before);
  });

  test("can all be padded to 100 KB", () => {
    const large = catalogOf({ count: 20, recordBytes: 100_000, extremes: false });
    const sizes = Array.from(large.select({}), (slot) => Buffer.byteLength(large.text(slot)));
    const padded = sizes.filter((size) => size > 95_000);
    expect(padded.length).toBeGreaterThanOrEqual(18);
    expect(Math.max(...padded)).toBeLessThan(130_000);
  });

  test("deep objects survive being parsed and compared", () => {
    for (const record of before.values()) expect(isObject(record)).toBe(true);
    expect(({} as JsonObject).polluted).toBeUndefined();
  });
});

describe("Changes made while running", () => {
  test("touch the records named, and say which", () => {
    const catalog = catalogOf({ count: 100, extremes: false });
    const [first, second, third] = [...recordsOf(catalog).keys()] as [string, string, string];
    const report = catalog.mutate({
      remove: [first],
      reject: [second],
      silent: [third],
      add: 2,
      at: "2026-05-31T23:00:00Z",
    });
    expect(report).toMatchObject({ removed: [first], rejected: [second], silent: [third] });
    expect(report.added).toHaveLength(2);
    const after = recordsOf(catalog);
    expect(after.has(first)).toBe(false);
    expect(after.get(second)).toMatchObject({
      vulnStatus: "Rejected",
      lastModified: "2026-05-31T23:00:00.000",
    });
    expect(after.size).toBe(101);
    expect(() => catalog.mutate({ remove: [first] })).toThrow(/no live record/);
  });

  test("pick by count without picking twice", () => {
    const catalog = catalogOf({ count: 60, extremes: false });
    const report = catalog.mutate({ remove: 20, reject: 20, modify: 20 });
    const touched = [...report.removed, ...report.rejected, ...report.modified];
    expect(new Set(touched).size).toBe(60);
  });
});

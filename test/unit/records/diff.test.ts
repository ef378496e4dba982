import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson, type JsonObject } from "../../../src/core/json.ts";
import { compareVersions, outlives } from "../../../src/records/staleness.ts";
import { diffOf, jsonRecord } from "./support.ts";

describe("the field diff", () => {
  test("names exactly the fields whose content differs", () => {
    fc.assert(
      fc.property(jsonRecord, jsonRecord, fc.array(fc.nat(20)), (stored, other, picks) => {
        // Some fields of the one, some of the other: most of them equal.
        const incoming = JSON.parse(JSON.stringify(stored)) as JsonObject;
        const names = Object.keys(other);
        for (const pick of picks) {
          const name = names[pick];
          if (name !== undefined) {
            Object.defineProperty(incoming, name, {
              value: other[name],
              enumerable: true,
              configurable: true,
              writable: true,
            });
          }
        }
        const text = (record: JsonObject, name: string) =>
          Object.hasOwn(record, name) ? canonicalJson(record[name]) : undefined;
        const expected = [...new Set([...Object.keys(stored), ...Object.keys(incoming)])]
          .filter((name) => text(stored, name) !== text(incoming, name))
          .sort();
        const found = diffOf(stored, incoming);
        expect(found.changed).toEqual(expected);
        expect([...found.set.map(({ name }) => name), ...found.drop].sort()).toEqual(expected);
      }),
      { numRuns: 400 },
    );
  });

  test("writes the fields that changed or came, and drops those that went", () => {
    const found = diffOf({ a: [1], b: "x", gone: 2 }, { a: [1], b: "y", fresh: null });
    expect(found.changed).toEqual(["b", "fresh", "gone"]);
    expect(found.set.map(({ name }) => name)).toEqual(["b", "fresh"]);
    expect(found.drop).toEqual(["gone"]);
  });

  test("finds nothing when only the order of keys differs", () => {
    const found = diffOf({ a: { x: "z", y: 1 }, b: 2 }, { b: 2, a: { y: 1, x: "z" } });
    expect(found).toEqual({ changed: [], set: [], drop: [] });
  });
});

describe("an incoming version", () => {
  const stored = { fetchedAt: 100, lastModified: 1000 };
  test.each([
    ["latest-wins", { fetchedAt: 200, lastModified: 999 }, "regressed"],
    ["latest-wins", { fetchedAt: 50, lastModified: 999 }, "stale"],
    ["latest-wins", { fetchedAt: 50, lastModified: 1001 }, "newer"],
    ["latest-wins", { fetchedAt: 200, lastModified: 1000 }, "fetched-later"],
    ["latest-wins", { fetchedAt: 100, lastModified: 1000 }, "fetched-later"],
    ["latest-wins", { fetchedAt: 99, lastModified: 1000 }, "stale"],
    ["latest-wins", { fetchedAt: 99, lastModified: undefined }, "stale"],
    ["fetch-order", { fetchedAt: 200, lastModified: 1 }, "fetched-later"],
    ["fetch-order", { fetchedAt: 99, lastModified: 9999 }, "stale"],
  ] as const)("under %s, %o is %s", (staleness, incoming, expected) => {
    expect(compareVersions(stored, incoming, staleness)).toBe(expected);
  });

  test("of two copies in one batch, the greater version counts, then the later in the batch", () => {
    expect(
      outlives({ fetchedAt: 1, lastModified: 5 }, { fetchedAt: 1, lastModified: 6 }, "latest-wins"),
    ).toBe(false);
    expect(
      outlives({ fetchedAt: 1, lastModified: 6 }, { fetchedAt: 1, lastModified: 6 }, "latest-wins"),
    ).toBe(true);
    expect(
      outlives({ fetchedAt: 1, lastModified: 5 }, { fetchedAt: 1, lastModified: 6 }, "fetch-order"),
    ).toBe(true);
  });
});

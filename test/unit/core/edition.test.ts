import { describe, expect, test } from "@jest/globals";
import {
  compareEditionVersions,
  describeEdition,
  type Edition,
  isOlderEdition,
} from "../../../src/core/edition.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");
const older = (candidate: Edition, known: Edition, sameSource = true): boolean =>
  isOlderEdition(candidate, known, { nowMs, sameSource });

const v417 = { version: "4.17", date: "2025-04-03" };
const v418 = { version: "4.18", date: "2025-09-09" };

describe("An edition is older", () => {
  test.each<[string, Edition, Edition]>([
    ["by date and version", v417, v418],
    ["by date where versions do not move", { version: "1", date: "2025-04-03" }, { ...v418, version: "1" }],
    ["by date alone", { date: "2025-04-03" }, { date: "2025-09-09T00:00:00Z" }],
    ["by version alone", { version: "4.9" }, { version: "4.18" }],
    ["by version on the same day", { ...v418, version: "4.17" }, v418],
    ["by version where a date cannot be read", { version: "4.17", date: "soon" }, v418],
    [
      "by the file's time where nothing else can be compared",
      { lastModified: "Thu, 03 Apr 2025 10:00:00 GMT" },
      { lastModified: "Tue, 09 Sep 2025 00:00:00 GMT" },
    ],
    ["as soon as one part is", { parts: { a: v417, b: v418 } }, { parts: { a: v418, b: v417 } }],
  ])("%s", (_, candidate, known) => {
    expect(older(candidate, known)).toBe(true);
    if (!candidate.parts) expect(older(known, candidate)).toBe(false);
  });
});

describe("An edition is not older", () => {
  test.each<[string, Edition, Edition]>([
    ["than itself, whatever its bytes", { ...v418, digest: "a" }, { ...v418, digest: "b" }],
    ["when date and version contradict each other: stepped back", { ...v417, date: "2025-12-01" }, v418],
    ["when date and version contradict each other: a corrected date", { ...v418, date: "2025-01-01" }, v417],
    ["than one whose date lies in the future", { date: "2025-12-01" }, { date: "2099-01-01" }],
    ["when it is the same bytes", { ...v417, digest: "a" }, { ...v418, digest: "a" }],
    ["when nothing can be compared", {}, v418],
    [
      "by a file's time where its own name says otherwise",
      { ...v418, lastModified: "Thu, 03 Apr 2025 10:00:00 GMT" },
      { ...v418, lastModified: "Tue, 09 Sep 2025 00:00:00 GMT" },
    ],
    ["by parts that only one of them has", { parts: { a: v418 } }, { parts: { a: v418, b: v418 } }],
  ])("%s", (_, candidate, known) => {
    expect(older(candidate, known)).toBe(false);
  });

  test("by a file's time when another address served it", () => {
    const [first, second] = ["Thu, 03 Apr 2025 10:00:00 GMT", "Tue, 09 Sep 2025 00:00:00 GMT"];
    expect(older({ lastModified: first }, { lastModified: second }, false)).toBe(false);
  });
});

test("Versions compare number by number", () => {
  expect(compareEditionVersions("v2025.03.14", "v2023.03.01")).toBe(1);
  expect(compareEditionVersions("10.0", "9.1")).toBe(1);
  expect(compareEditionVersions("17.1", "17.1.0")).toBe(0);
  expect(compareEditionVersions("next", "17.1")).toBeUndefined();
});

test("An edition is shown by what it has", () => {
  expect(describeEdition(v418)).toBe("4.18 of 2025-09-09");
  expect(describeEdition({ date: "2025-09-09" })).toBe("2025-09-09");
  expect(describeEdition({})).toBe("without a name");
});

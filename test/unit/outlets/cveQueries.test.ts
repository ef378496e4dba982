/**
 * 10,000 random queries over every served parameter agree with a plain filter over all records, CPE matching included. The
 * reference reads each record for each query and shares no code with the server.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { CveIndex } from "../../../src/outlets/nvd/cveIndex.ts";
import { readQuery } from "../../../src/outlets/nvd/query.ts";
import { hasSharedData, sharedData } from "../providers/support.ts";
import { matchesReference, type Raw } from "./referenceFilter.ts";

const describeReal = hasSharedData ? describe : describe.skip;
if (!hasSharedData) process.stderr.write("skipped: no real CVEs (UEE_SHARED_DATA or ../shared/data)\n");

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const QUERIES = 10_000;
/** The reference looks at each of them for each query. */
const RECORDS = 500;

describeReal("the index against a plain filter", () => {
  // The body of a suite runs, too, where its tests are skipped.
  const lines = hasSharedData
    ? gunzipSync(readFileSync(join(sharedData, "nvd/cve-after.ndjson.gz")))
        .toString()
        .split("\n")
        .filter((line) => line !== "")
    : [];
  const every = Math.max(1, Math.floor(lines.length / RECORDS));
  const records = lines.filter((_, i) => i % every === 0).map((line) => JSON.parse(line) as Raw);
  const byId = records.sort((a, b) => {
    const [, yearA, numberA] = a.id.split("-").map(Number);
    const [, yearB, numberB] = b.id.split("-").map(Number);
    return yearA! - yearB! || numberA! - numberB!;
  });
  const index = new CveIndex();
  // Out of order, each written twice, and one in ten removed and written again.
  [...records].reverse().forEach((record, i) => {
    index.put(record.id, i, { ...record, descriptions: [], configurations: [] });
    if (i % 10 === 0) index.remove(record.id, i);
  });
  for (const record of records) index.put(record.id, 1, record);
  const kev = new Map(
    records.filter((_, i) => i % 23 === 0).map(({ id }, i) => [id, Date.UTC(2024, 0, 1 + i)]),
  );
  index.kev = kev;

  const random = randomOf(14);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const some = (): Raw => pick(records);
  const day = (around: string): [string, string] => {
    const from = Date.parse(`${around}Z`) - random() * 60 * 86_400_000;
    const to = from + random() * 120 * 86_400_000;
    const zone = pick(["Z", "+00:00", ""]);
    return [new Date(from), new Date(to)].map((date) => date.toISOString().slice(0, -1) + zone) as [
      string,
      string,
    ];
  };
  const criterion = () => {
    for (;;) {
      const matches = (some().configurations ?? []).flatMap(({ nodes }) =>
        nodes.flatMap((node) => node.cpeMatch),
      );
      if (matches.length > 0) return pick(matches);
    }
  };
  /** A complete name that some criterion is about, with a version in, at the edge of, or outside its range. */
  const cpeName = (): string => {
    const { criteria, versionEndExcluding, versionEndIncluding, versionStartIncluding } = criterion();
    const parts = criteria.split(/(?<!\\):/);
    const versions = [
      versionEndExcluding,
      versionEndIncluding,
      versionStartIncluding,
      parts[5],
      "1.0",
      "2.4.1",
      "9",
    ];
    const given = pick(versions.filter((one) => one !== undefined));
    if (parts[5] === "*" && random() < 0.9) parts[5] = given!.replace(/[^\w.-]/g, (char) => `\\${char}`);
    return parts.join(":");
  };
  const words = (): string[] =>
    (some().descriptions.find(({ lang }) => lang === "en")?.value ?? "buffer")
      .split(/[^A-Za-z]+/)
      .filter(Boolean);

  const parameters: (() => [string, string][])[] = [
    () => [["cveId", some().id]],
    () => [["cveIds", [some(), some(), some()].map(({ id }) => id.toLowerCase()).join(",")]],
    () => zip("lastMod", day(some().lastModified)),
    () => zip("pub", day(some().published)),
    () => zip("kev", day("2024-02-01T00:00:00")),
    () => [["hasKev", ""]],
    () => [["noRejected", ""]],
    () => [[pick(["hasCertAlerts", "hasCertNotes", "hasOval"]), ""]],
    () => [["cvssV2Severity", pick(["LOW", "MEDIUM", "HIGH"])]],
    () => [["cvssV3Severity", pick(["low", "MEDIUM", "HIGH", "CRITICAL"])]],
    () => [["cvssV4Severity", pick(["LOW", "MEDIUM", "HIGH", "CRITICAL"])]],
    () => [
      ["cvssV3Metrics", pick(["AV:N", "AV:N/AC:L/PR:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"])],
    ],
    () => [["cvssV2Metrics", pick(["AV:N/AC:L", "AV:L/AC:L/Au:N/C:C/I:C/A:C"])]],
    () => [["cweId", pick(["CWE-79", "cwe-89", "CWE-787", "NVD-CWE-noinfo", "NVD-CWE-Other", "CWE-20"])]],
    () => [["cveTag", pick(["disputed", "unsupported-when-assigned"])]],
    () => [["sourceIdentifier", some().sourceIdentifier]],
    () => [["vulnStatus", pick(["Analyzed", "modified", "Deferred", "Rejected", "Awaiting Analysis"])]],
    () => [["keywordSearch", pick(words()).slice(0, 6)]],
    () => [["keywordSearch", `${pick(words())} ${pick(words())}`]],
    () => {
      const text = words();
      const at = Math.floor(random() * Math.max(1, text.length - 2));
      return [
        ["keywordSearch", text.slice(at, at + 2).join(" ")],
        ["keywordExactMatch", ""],
      ];
    },
    () => [["cpeName", cpeName()]],
    () => [
      ["cpeName", cpeName()],
      ["isVulnerable", ""],
    ],
    () => [
      [
        "virtualMatchString",
        cpeName()
          .split(/(?<!\\):/)
          .slice(0, pick([4, 5, 6, 8]))
          .join(":"),
      ],
    ],
    () => [["virtualMatchString", `cpe:2.3:*:${criterion().criteria.split(/(?<!\\):/)[3]!}`]],
    () => [
      [
        "virtualMatchString",
        criterion()
          .criteria.split(/(?<!\\):/)
          .slice(0, 5)
          .join(":"),
      ],
      ...(random() < 0.7
        ? ([
            ["versionStart", pick(["0", "1.0", "2.4", "10.1"])],
            ["versionStartType", pick(["including", "excluding"])],
          ] as [string, string][])
        : []),
      ["versionEnd", pick(["1.0", "2.4", "11", "99"])],
      ["versionEndType", pick(["including", "excluding"])],
    ],
  ];

  test(`${QUERIES} queries give the same lists`, () => {
    let rows = 0;
    for (let n = 0; n < QUERIES; n++) {
      const given = new Map<string, string>();
      for (const [name, value] of pick(parameters)()) given.set(name, value);
      if (random() < 0.3) for (const [name, value] of pick(parameters)()) given.set(name, value);
      const text = new URLSearchParams([...given]).toString();
      let query: ReturnType<typeof readQuery>;
      try {
        query = readQuery(new URLSearchParams(text));
      } catch {
        // Two parameters that exclude one another.
        continue;
      }
      const found = Array.from(index.select(query), index.idOf);
      const expected = byId.filter((record) => matchesReference(record, given, kev)).map(({ id }) => id);
      if (found.join() !== expected.join()) expect({ text, found }).toEqual({ text, found: expected });
      rows += found.length;
    }
    expect(rows).toBeGreaterThan(QUERIES);
  });
});

const zip = (kind: string, [start, end]: [string, string]): [string, string][] => [
  [`${kind}StartDate`, start],
  [`${kind}EndDate`, end],
];

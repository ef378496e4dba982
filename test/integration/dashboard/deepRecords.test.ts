/** A record that an older version stored deeper than the present bound is served, as the other records are. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { JsonObject } from "../../../src/core/json.ts";
import { makeKeys } from "../../../src/redis/keys.ts";
import { writeLayout1 } from "../../support/layout1.ts";
import { startDashboard, type TestDashboard } from "./support.ts";

const depths = [300, 6_000, 20_000];
const idOf = (depth: number): string => `CVE-2025-${100_000 + depth}`;
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const textOf = (depth: number): string => `{"deep":${nested(depth)},"id":"${idOf(depth)}"}`;

let dashboard: TestDashboard;

beforeAll(async () => {
  dashboard = await startDashboard({ engine: { providers: { cve: {} } } });
  const records = [1, ...depths].map((depth, i) => ({
    id: idOf(depth),
    data: JSON.parse(textOf(depth)) as JsonObject,
    ...{ fetchedAt: 1_700_000_000_000_000 + i, lastModified: Date.parse("2025-01-01") },
    ...{ firstSeen: 1_600_000_000_000, lastChanged: 1_600_000_000_000 },
  }));
  await writeLayout1(dashboard.redis.client(), makeKeys("uee").provider("cve"), records);
});
afterAll(() => dashboard.close());

// Compared as text: a matcher would recurse.
const served = async (depth: number): Promise<boolean> => {
  const { status, text } = await dashboard.get(`/api/records/${idOf(depth)}`);
  return status === 200 && text.includes(`"deep":${nested(depth)}`);
};

test.each([1, ...depths])("nested %i deep, through the HTTP API", async (depth) => {
  expect(await served(depth)).toBe(true);
});

test("by the library, one by one and all together", async () => {
  const found: string[] = [];
  for await (const { id } of dashboard.test.engine.records.export("cve", { allowPartial: true }))
    found.push(id);
  expect(found).toEqual([1, ...depths].map(idOf).sort());
});

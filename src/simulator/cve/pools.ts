/**
 * The fields of the fixture's CVEs as bytes. A generated record takes each of its fields from one of them and adds a few short
 * strings of its own, so a page of 2,000 costs little more than copying its bytes. Enumerated values are those of NVD's schema;
 * sizes follow the real feed (about 4 KB a record).
 */
import type { JsonObject } from "../../core/json.ts";
import { fixture } from "../fixtures.ts";

/** A field or more: as JSON text that ends in a comma (empty where NVD leaves the field out), and parsed. */
export interface Fragment {
  readonly bytes: Buffer;
  readonly value: JsonObject;
}

const named = ["cveTags", "descriptions", "affected", "weaknesses", "configurations"] as const;
export type PoolName = (typeof named)[number] | "metrics" | "references" | "extras";

const records = fixture<JsonObject>("cves");

/** Different fragments: two editions of a field are never equal. */
function pool(values: readonly JsonObject[], end: "," | ""): Fragment[] {
  const texts = new Map(values.map((value) => [JSON.stringify(value).slice(1, -1), value]));
  return [...texts].map(([text, value]) => ({ bytes: Buffer.from(text === "" ? "" : text + end), value }));
}

const only = (record: JsonObject, name: string): JsonObject =>
  name in record ? { [name]: record[name] } : {};
const known: readonly string[] = [...named, "metrics", "references"];

export const pools: Record<PoolName, readonly Fragment[]> = {
  ...(Object.fromEntries(
    named.map((name) => [
      name,
      pool(
        records.map((record) => only(record, name)),
        ",",
      ),
    ]),
  ) as Record<(typeof named)[number], Fragment[]>),
  // The inside of `metrics`, which SSVC joins, and of the list of references, whose first names the record.
  metrics: pool(
    records.map(({ metrics }) => metrics as JsonObject),
    "",
  ),
  references: records.map(({ references }) => ({
    bytes: Buffer.from(JSON.stringify(references).slice(1, -1)),
    value: { references },
  })),
  extras: pool(
    records.map((record) =>
      Object.fromEntries(Object.entries(record).filter(([name]) => !known.includes(name))),
    ),
    ",",
  ),
};

type Configuration = { nodes: { cpeMatch: JsonObject[] }[] };
const cpeMatches = records.flatMap(({ configurations }) =>
  ((configurations ?? []) as Configuration[]).flatMap(({ nodes }) =>
    nodes.flatMap(({ cpeMatch }) => cpeMatch),
  ),
);

/** So many CPE matches, one after the other, as JSON texts. */
export const cpeMatchTexts = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => JSON.stringify(cpeMatches[i % cpeMatches.length]));

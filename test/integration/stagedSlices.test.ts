/** Slices of a download, compressed beside their run: what is read back is what was staged. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { KeptRecord, SourceText } from "../../src/core/sourceText.ts";
import { makeKeys } from "../../src/redis/keys.ts";
import { StagedSlices } from "../../src/runs/stagedSlices.ts";
import { startRedis, type TestRedis } from "../support/redisServer.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({});
});
afterAll(() => redis.stop());

const open = async (prefix: string) => {
  const client = redis.client();
  const keys = makeKeys(prefix).provider("cve");
  await client.hset(keys.run("r1").run, "state", "open");
  return { client, keys, slices: new StagedSlices(client, keys) };
};
const said = (records: readonly (SourceText | KeptRecord)[]) =>
  records.map((record) => {
    if (record instanceof KeptRecord) return record;
    const { bytes, id, facts, stub, refusal } = record;
    return { bytes: [...bytes], id, facts, stub, refusal };
  });

test("a record comes back with its bytes, its id and what was measured of it, a refused one with its reason", async () => {
  const { slices } = await open("a");
  const refusal = { code: "VAL_RECORD_TOO_LARGE", message: "The record has 9000000 bytes." } as const;
  const large = { size: 9_000_000, depth: 0, values: 0, largeNumber: false };
  const records = [
    SourceText.of('{"id":"CVE-2026-0001","n":1e400,"text":"ä\\n\u2028"}').named("CVE-2026-0001"),
    new KeptRecord("CVE-2026-0003"),
    SourceText.of('{\n "broken": [[1]]}'),
    // Cut within a character.
    new SourceText(Buffer.from([0x7b, 0x22, 0xc3]), large, { id: "CVE-2026-0002" }, refusal),
  ];
  await slices.stage("r1", "one", { fetchedAt: 7, records });
  const { slice, bytes } = await slices.load("r1", "one");
  expect(slice.fetchedAt).toBe(7);
  expect(said(slice.records)).toEqual(said(records));
  expect(bytes).toBeGreaterThan(100);
});

test("a slice of an older version is read as well", async () => {
  const { client, keys, slices } = await open("b");
  const refusal = { code: "VAL_RECORD_DEPTH", message: "too deep" };
  const old = {
    fetchedAt: 8,
    records: ['{"id":"CVE-2026-0001"}', "[[[["],
    ids: ["CVE-2026-0001", null],
    refused: [{ place: 1, stub: { id: "CVE-2026-0002" }, refusal }],
  };
  await client.set(keys.run("r1").staged("old"), await promisify(gzip)(JSON.stringify(old)));
  const records = (await slices.load("r1", "old")).slice.records as SourceText[];
  expect(records.map(({ text, id, refusal: why, stub }) => [text, id, why?.code, stub.id])).toEqual([
    ['{"id":"CVE-2026-0001"}', "CVE-2026-0001", undefined, undefined],
    ["[[[[", undefined, "VAL_RECORD_DEPTH", "CVE-2026-0002"],
  ]);
});

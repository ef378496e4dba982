/** Lines of MONITOR become effects: in whose name, on what, also where values hold quotes, blanks and binary. */
import { expect, test } from "@jest/globals";
import { packReferenced } from "../../../src/records/indexEntry.ts";
import { EffectReader, ownScripts } from "../../chaos/tap/effects.ts";
import { readMonitorLine } from "../../chaos/tap/monitorLine.ts";

const scripts = ownScripts(new URL("../../../src/", import.meta.url));
const shaOf = (name: string): string => [...scripts].find(([, one]) => one === name)![0];

/** As sdscatrepr writes it. */
const repr = (text: string): string =>
  `"${[...Buffer.from(text, "latin1")]
    .map((byte) => {
      if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
      return byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("")}"`;
const line = (source: string, ...args: string[]): string =>
  `+1700000000.123456 [0 ${source}] ${args.map(repr).join(" ")}`;

test("arguments with quotes, backslashes, blanks and bytes are read as they were", () => {
  const odd = ['say "so"', "\\", 'ends with \\"', "\x00\xff\n", ""];
  const read = readMonitorLine(line("127.0.0.1:1", "SET", "key", ...odd))!;
  expect(read).toMatchObject({ command: "set", key: "key", lua: false, client: "127.0.0.1:1" });
  expect(read.at).toBeCloseTo(1_700_000_000_123.456, 2);
  expect(read.args()).toEqual(["key", ...odd]);
  expect(readMonitorLine("+OK")).toBeUndefined();
});

test("what a script writes is told in the name of its attempt, and only until the next command", () => {
  const reader = new EffectReader({ prefix: "chaos", scripts });
  const run = "{chaos:cve}:run:cve-1";
  const keys = [run, `${run}:fences`, `${run}:seen`, "{chaos:cve}:i:", `${run}:regressed`];
  reader.read(line("127.0.0.1:1", "EVALSHA", shaOf("mark"), "5", ...keys, "p1/all/0", "77", "1", "n"));
  const digests = { version: 1, record: "0123456789abcd", text: "" };
  const times = "\0".repeat(12);
  const entry = packReferenced({ fetchedAt: 5, lastModified: 6 }, digests) + times;
  const by = { script: "mark", run: "cve-1", batch: "p1/all/0", fence: "77" };
  expect(reader.read(line("lua", "HSET", "{chaos:cve}:i:7", "CVE-1", entry))?.effects).toEqual([
    { fx: "versions", p: "cve", versions: [{ id: "CVE-1", fetchedAt: 5, lastModified: 6 }], by },
  ]);
  expect(reader.read(line("lua", "HSET", `${run}:status`, "p1/all/0", "c1"))?.effects).toEqual([
    { fx: "status", p: "cve", run: "cve-1", batch: "p1/all/0", status: "c1", by },
  ]);
  reader.read(line("127.0.0.1:1", "PING"));
  expect(reader.read(line("127.0.0.1:2", "HDEL", "{chaos:cve}:i:7", "CVE-1"))?.effects).toEqual([
    { fx: "removed", p: "cve", ids: ["CVE-1"], by: null },
  ]);
});

test("other stores' keys, and reads, are no effects", () => {
  const reader = new EffectReader({ prefix: "chaos", scripts });
  expect(reader.read(line("1:1", "HSET", "{other:cve}:i:7", "a", "b"))?.effects).toEqual([]);
  expect(reader.read(line("1:1", "HGETALL", "{chaos:cve}:i:7"))?.effects).toEqual([]);
});

test("a release is told with the lease and the fence that its script got", () => {
  const reader = new EffectReader({ prefix: "chaos", scripts });
  const lease = ["vm:1:cwe:0", "1796058027826798"];
  reader.read(
    line("1:1", "EVALSHA", shaOf("release"), "1", "{chaos:permits}:pool", "settings", "cwe", ...lease),
  );
  const told = reader.read(line("lua", "HDEL", "{chaos:permits}:leases", "vm:1:cwe:0"));
  const by = { script: "release", batch: "vm:1:cwe:0", fence: "1796058027826798" };
  expect(told?.effects).toEqual([{ fx: "lease-end", leases: ["vm:1:cwe:0"], by }]);
});

import { describe, expect, test } from "@jest/globals";
import { predictFit } from "../../../src/cli/doctor/checks.ts";

const load = [{ provider: "cve", records: 361_000, bytesPerRecord: 2_000 }];
const GB = 1024 ** 3;
const facts = { usedMemory: 0, maxMemory: 0, systemMemory: 16 * GB };

describe("the memory prediction", () => {
  test("fits: says how much of what", () => {
    const finding = predictFit(load, new Map(), facts);
    expect(finding.verdict).toBe("ok");
    expect(finding.message).toBe(
      "a complete mirror (361,000 records) needs about 792 MB of 16.0 GB (the machine's memory)",
    );
  });

  test("a maxmemory too small is a problem, with the figure to set", () => {
    const finding = predictFit(load, new Map(), { ...facts, maxMemory: 512 * 1024 ** 2 });
    expect(finding).toMatchObject({
      verdict: "problem",
      message: expect.stringContaining("maxmemory allows 512 MB"),
      remedy: expect.stringContaining("CONFIG SET maxmemory 792mb"),
    });
  });

  test("what other programs use counts on the same machine", () => {
    expect(predictFit(load, new Map(), { ...facts, freeMemory: 100_000_000 }).verdict).toBe("problem");
    expect(predictFit(load, new Map(), { ...facts, freeMemory: 2 * GB }).verdict).toBe("ok");
  });

  test("records already loaded are not counted twice", () => {
    const loaded = predictFit(load, new Map([["cve", 361_000]]), {
      ...facts,
      usedMemory: 700_000_000,
      maxMemory: 800_000_000,
    });
    expect(loaded.verdict).toBe("ok");
  });

  test("without any figure it is a note, not a guess", () => {
    expect(predictFit(load, new Map(), { usedMemory: 0, maxMemory: 0, systemMemory: 0 }).verdict).toBe(
      "note",
    );
  });
});

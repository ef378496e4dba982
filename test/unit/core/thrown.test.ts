/** Every code can really happen: test/errors/README.md says how that is known. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { errorCatalog } from "../../../src/core/errorCatalog.ts";
import { UeeError } from "../../../src/core/errors.ts";

const inRepo = (path: string) => new URL(`../../../${path}`, import.meta.url);
const { thrown, notThrown } = JSON.parse(readFileSync(inRepo("test/errors/thrown.json"), "utf8")) as Record<
  "thrown" | "notThrown",
  Record<string, string>
>;
const codes = Object.keys(errorCatalog);

describe("the error codes", () => {
  test("are at least forty, of all seven families", () => {
    expect(codes.length).toBeGreaterThanOrEqual(40);
    const families = new Set(codes.map((code) => code.split("_")[0]));
    expect([...families].sort()).toEqual(["API", "PERM", "PROV", "RPC", "STOR", "SYS", "VAL"]);
  });

  test("are each thrown by a test that is there, or excused with a reason; none twice, none unknown", () => {
    expect([...Object.keys(thrown), ...Object.keys(notThrown)].sort()).toEqual([...codes].sort());
    expect(Object.values(thrown).filter((file) => !existsSync(inRepo(file)))).toEqual([]);
    expect(Object.values(notThrown).filter((why) => why.length < 20)).toEqual([]);
  });

  test("are thrown for the most part: at least 90 %", () => {
    expect(Object.keys(thrown).length / codes.length).toBeGreaterThanOrEqual(0.9);
  });

  test.each(codes)(
    "%s has a sentence, a remedy, a class, and says whether the same may go well later",
    (code) => {
      const error = new UeeError(code as keyof typeof errorCatalog);
      expect(error.message).toMatch(/^[A-Z]+_[A-Z0-9_]+: .+[.:]$/);
      expect(error.remedy).toMatch(/[.!`"]$/);
      expect(typeof error.retryable).toBe("boolean");
    },
  );
});

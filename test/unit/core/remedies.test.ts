/** A remedy stands under what has ended: a failed run, a dead letter, a command. It must not promise what nothing does. */
import { describe, expect, test } from "@jest/globals";
import { errorCatalog } from "../../../src/core/errorCatalog.ts";

describe("remedies", () => {
  test("promise no other try: they are shown where UEE has given up", () => {
    const promises = Object.entries(errorCatalog)
      .filter(([, { remedy }]) =>
        /^Nothing:|\bUEE (asks|tries|waits|goes)|\b(asks|tries) again\b/.test(remedy),
      )
      .map(([code]) => code);
    expect(promises).toEqual([]);
  });

  test("say what a person can do where a batch may die of the error", () => {
    const idle = Object.entries(errorCatalog)
      .filter(([, entry]) => ["transient", "corrupt", "permanent", "configuration"].includes(entry.class))
      .filter(([, { remedy }]) => /^Nothing/.test(remedy))
      .map(([code]) => code);
    expect(idle).toEqual([]);
  });
});

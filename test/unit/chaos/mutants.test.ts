/** Every deliberate break still finds the one place that it breaks, and whoever should notice exists. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { mutants } from "../../chaos/mutants/catalogue.ts";

const inRepo = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))("%s", (_name, { edits, caughtBy }) => {
  expect(caughtBy.length).toBeGreaterThan(0);
  for (const catcher of caughtBy) if ("test" in catcher) expect(existsSync(inRepo(catcher.test))).toBe(true);
  for (const { file, find, replace } of edits) {
    expect({ file, places: readFileSync(inRepo(file), "utf8").split(find).length - 1 }).toEqual({
      file,
      places: 1,
    });
    expect(replace).not.toBe(find);
  }
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { filesBelow, sizeOf } from "../../support/liveFiles.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "uee-live-files-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

test("gives the files of all folders, and passes over one that goes after it was listed", () => {
  mkdirSync(join(dir, "below"));
  for (const name of ["a", "b", "below/c"]) writeFileSync(join(dir, name), name);
  const files = filesBelow(dir);
  const first = files.next().value!;
  rmSync(join(dir, first.name === "a" ? "b" : "a"));
  const names = [first, ...files].map(({ name }) => name);
  expect(names.sort()).toEqual([first.name, "below/c"]);
  expect([sizeOf(join(dir, first.name)), sizeOf(join(dir, "gone"))]).toEqual([1, undefined]);
});

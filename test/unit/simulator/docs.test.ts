import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "@jest/globals";
import { faultTable } from "../../../src/simulator/faults/catalog.ts";

test("docs/simulator.md lists every fault as it is", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../../docs/simulator.md"), "utf8");
  expect(page).toContain(faultTable());
});

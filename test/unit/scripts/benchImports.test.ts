import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const bench = fileURLToPath(new URL("../../../bench", import.meta.url));
const src = new URL("../../../src/", import.meta.url);
const imported = /\{([^{}]*)\} = await fromDist\("([^"]+)\.js"\)/g;

test("benches take from the built engine only what a module of it exports", async () => {
  const missing: string[] = [];
  let names = 0;
  for (const file of readdirSync(bench, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".mjs")) continue;
    for (const [, list, path] of readFileSync(`${bench}/${file}`, "utf8").matchAll(imported)) {
      const module = await import(new URL(`${path}.ts`, src).href).catch(() => ({}));
      for (const name of list!.split(",").map((part) => part.split(":")[0]!.trim())) {
        names++;
        if (!(name in module)) missing.push(`${file}: ${name} of ${path}`);
      }
    }
  }
  expect(missing).toEqual([]);
  expect(names).toBeGreaterThan(10);
});

// Paths: built code, real records, results.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const dist = join(root, "dist");
export const resultsDir = join(root, "bench/results");
export const performanceDoc = join(root, "docs/performance.md");

/** A module of the built engine, e.g. `fromDist("engine.js")`. */
export const fromDist = (path) => import(pathToFileURL(join(dist, path)).href);

/** Folder of real feeds, or undefined: figures then come from generated records, and say so. */
export const sharedData = (() => {
  const folder = resolve(process.env.UEE_SHARED_DATA ?? join(root, "../shared/data"));
  return existsSync(join(folder, "nvd/cve-after.ndjson.gz")) ? folder : undefined;
})();

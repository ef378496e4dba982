// Plain Node without dependencies: runs before `npm install`, and at every start of bin/uee in a checkout.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const stampFile = join(root, "dist", ".stamp");

/** Changes when a source file is edited, added or removed, or the packages do. Reads names, sizes and times: a few milliseconds. */
export function sourceFingerprint() {
  const hash = createHash("sha1");
  for (const file of ["tsconfig.json", "tsconfig.build.json", "package-lock.json"])
    addFile(hash, join(root, file));
  addTree(hash, join(root, "src"));
  return hash.digest("hex");
}

export function isBuildFresh() {
  try {
    return readFileSync(stampFile, "utf8") === sourceFingerprint();
  } catch {
    return false;
  }
}

function addTree(hash, directory) {
  const entries = readdirSync(directory, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) addTree(hash, path);
    else addFile(hash, path);
  }
}

function addFile(hash, path) {
  const { mtimeMs, size } = statSync(path);
  hash.update(`${path}\0${mtimeMs}\0${size}\0`);
}

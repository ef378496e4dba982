/** Files in the directory of a server that is at work: one may be gone between its listing and its reading. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Undefined where there is no such file any more. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Bytes; undefined where the file is gone. */
export const sizeOf = (path: string): number | undefined => unlessGone(() => statSync(path).size);

/** All files below, by their path from there. */
export function* filesBelow(directory: string): Generator<{ name: string; bytes: Buffer }> {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = unlessGone(() => readFileSync(path));
    if (bytes !== undefined) yield { name: path.slice(directory.length + 1), bytes };
  }
}

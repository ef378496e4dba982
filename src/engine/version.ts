import { readFileSync } from "node:fs";

/** The package's version; src/engine and dist/engine lie equally deep below package.json. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

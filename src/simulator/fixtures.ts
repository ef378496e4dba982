/** The small sets of records, one JSON text a line, from which the simulator makes its content. */
import { readFileSync } from "node:fs";

export const fixtureLines = (name: string): string[] =>
  readFileSync(new URL(`./fixtures/${name}.ndjson`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n");

export const fixture = <T>(name: string): T[] => fixtureLines(name).map((line) => JSON.parse(line) as T);

/** The fault table of docs/simulator.md; a test compares them. */
import { standIns } from "../types.ts";
import { faultEntry, faultNames } from "./catalog.ts";

export function faultTable(): string {
  const rows = faultNames.map((name) => {
    const { on, cost, arg, does } = faultEntry(name);
    const where = on.length === standIns.length ? "all" : on.join(" ");
    return `| \`${name}\` | ${where} | ${cost} | ${does} | ${arg ?? ""} |`;
  });
  return [
    "| fault | upstreams | cost | what happens | argument (default) |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

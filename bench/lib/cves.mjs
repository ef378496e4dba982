// Which CVEs a figure works on: real ones where they are, else generated ones.
import { sharedData } from "./places.mjs";

/** Flags for the simulator, and what to call it in the table. */
export function cveSource({ quick }) {
  if (sharedData && !quick) {
    return { flags: ["--shared-data", sharedData, "--point", "after"], label: "real CVEs", real: true };
  }
  const cves = quick ? 4_000 : 24_000;
  return { flags: ["--cves", cves], label: "generated CVEs", real: false };
}

import type { ExpectedLoad } from "./memoryFit.ts";

/**
 * Sizes of the complete mirrors, and the memory of a record in Redis: used_memory before and after a full run over
 * the real feeds (23,326 CVEs, CWE 4.17, CAPEC 3.9, ATT&CK 17.1), run keys included, divided by the number of
 * records; for CVE the larger figure of docs/decisions/0001-record-layout.md.
 */
export const expectedLoads: readonly ExpectedLoad[] = [
  { provider: "cve", records: 361_000, bytesPerRecord: 3_900 },
  { provider: "cwe", records: 1_500, bytesPerRecord: 5_700 },
  { provider: "capec", records: 700, bytesPerRecord: 4_600 },
  { provider: "attack", records: 30_000, bytesPerRecord: 2_400 },
];

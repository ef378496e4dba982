import type { ExpectedLoad } from "./memoryFit.ts";

/** Sizes of the complete mirrors, rounded up, and what a record takes in Redis as measured. */
export const expectedLoads: readonly ExpectedLoad[] = [
  { provider: "cve", records: 361_000, bytesPerRecord: 3_000 },
  { provider: "cwe", records: 1_500, bytesPerRecord: 6_000 },
  { provider: "capec", records: 700, bytesPerRecord: 4_000 },
  { provider: "attack", records: 30_000, bytesPerRecord: 2_000 },
];

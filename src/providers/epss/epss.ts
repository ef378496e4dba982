/**
 * FIRST's EPSS: the probability that a CVE is exploited, of all CVEs, as the gzipped CSV file of one day. The address of
 * the newest file redirects to it. Nearly every one of more than 300,000 scores changes every day.
 */

import { editionOf } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { readGzip } from "../formats/archives.ts";
import { cveIds, recordShape } from "../formats/records.ts";
import { recognise } from "../formats/sniff.ts";
import { readCsv, splitFirstLine } from "../formats/text.ts";
import { type SnapshotReading, snapshotProvider } from "../snapshot/provider.ts";

/** `#model_version:v2025.03.14,score_date:2026-01-30T12:55:00Z` (`+0000` instead of `Z` in older files). */
const HEADER = /^#model_version:([^,]+),score_date:(.+)$/;
const COLUMNS = ["cve", "epss", "percentile"];

async function* read(source: AsyncIterable<Buffer>): SnapshotReading {
  const outer = await recognise(source);
  // Through a mirror that sends the file with `content-encoding: gzip` it is unpacked already.
  const { kind, bytes } = outer.kind === "gzip" ? await recognise(readGzip(outer.bytes)) : outer;
  if (kind !== "text") throw new UeeError("PROV_WRONG_SHAPE", `This is no EPSS file: it is ${kind}.`);
  const { line, rest } = await splitFirstLine(bytes);
  const header = HEADER.exec(line);
  if (!header) {
    const detail = "This is no EPSS file: its first line names no model version and score date.";
    throw new UeeError("PROV_WRONG_SHAPE", detail);
  }
  const [, model_version, score_date] = header;
  yield* readCsv(rest, { required: COLUMNS });
  return {
    ...editionOf({ version: model_version, date: score_date }),
    metadata: editionOf({ model_version, score_date }),
  };
}

export const epss = snapshotProvider({
  name: "epss",
  authority: "first",
  version: 1,
  title: "EPSS",
  subject: "cve",
  after: ["cve"],
  changes: "summary",
  numbers: ["epss", "percentile"],
  columns: [COLUMNS],
  upstream: {
    defaultUrl: "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
    urlEnv: "UEE_EPSS_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  expected: { records: 425_000, bytesPerRecord: 160 },
  example: {
    id: "CVE-2021-44228",
    record: { cve: "CVE-2021-44228", epss: "0.94358", percentile: "0.99957" },
  },
  record: recordShape({ lists: [], objects: [], numbers: ["epss", "percentile"] }),
  // Rows are tiny: a slice holds more of them.
  sliceRecords: 2_500,
  rereadRefused: true,
  mayBeLate: true,
  read,
  // A score that comes twice in one file is the same day's: the first stands.
  supersedes: () => false,
  ...cveIds("cve"),
  label: ({ epss, percentile }) => `EPSS ${epss}, percentile ${percentile}`,
});

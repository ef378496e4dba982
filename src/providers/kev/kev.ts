/** CISA's Known Exploited Vulnerabilities: one JSON catalogue, published whole. */

import { editionOf } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { JsonArraySplitter, readJsonArrays } from "../formats/jsonArrays.ts";
import { cveIds, cweLink, recordShape, textIn } from "../formats/records.ts";
import { type SnapshotReading, snapshotProvider } from "../snapshot/provider.ts";

async function* read(bytes: AsyncIterable<Buffer>): SnapshotReading {
  const splitter = new JsonArraySplitter({
    arrays: ["vulnerabilities"],
    members: ["catalogVersion", "dateReleased", "count"],
    id: "cveID",
  });
  let entries = 0;
  for await (const elements of readJsonArrays(bytes, splitter)) {
    entries += elements.length;
    yield elements.map(({ source }) => source);
  }
  const { catalogVersion, dateReleased, count } = splitter.members;
  if (!splitter.arrays.has("vulnerabilities")) {
    throw new UeeError("PROV_WRONG_SHAPE", "This is no KEV catalogue: it has no list of vulnerabilities.");
  }
  if (count !== entries) {
    const counted = `The catalogue counts ${JSON.stringify(count)} vulnerabilities and holds ${entries}.`;
    throw new UeeError("PROV_WRONG_SHAPE", counted);
  }
  return {
    ...editionOf({ version: catalogVersion, date: dateReleased }),
    metadata: editionOf({ catalogVersion, dateReleased }),
  };
}

export const kev = snapshotProvider({
  name: "kev",
  authority: "cisa",
  version: 1,
  title: "KEV",
  subject: "cve",
  after: ["cve"],
  upstream: {
    defaultUrl: "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    urlEnv: "UEE_KEV_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  expected: { records: 1_800, bytesPerRecord: 2_200 },
  example: {
    id: "CVE-2021-44228",
    record: { cveID: "CVE-2021-44228", vendorProject: "Apache", cwes: ["CWE-20"] },
  },
  record: recordShape({ lists: ["cwes"], objects: [] }),
  expect: "json",
  read,
  ...cveIds("cveID"),
  links: ({ cwes }) => (Array.isArray(cwes) ? cwes.flatMap((cwe) => cweLink(cwe, "weakness")) : []),
  label: (data) => textIn(data.vulnerabilityName),
  hasNames: true,
});

/** A whole provider in one file: CISA's Known Exploited Vulnerabilities, a JSON catalogue that is fetched as one snapshot. */
import {
  editionOf,
  JsonArraySplitter,
  readJsonArrays,
  recordShape,
  type SnapshotReading,
  snapshotProvider,
  UeeError,
} from "uee";

const ID = /^CVE-\d{4}-\d{4,}$/;

/** Unknown fields pass through; a declared list of another type makes a record bad. */
const record = recordShape({ lists: ["cwes"], objects: [] });

const identify = (raw: unknown): string | undefined => {
  const id = (raw as { cveID?: unknown } | null)?.cveID;
  return typeof id === "string" && ID.test(id) ? id : undefined;
};

async function* read(bytes: AsyncIterable<Buffer>): SnapshotReading {
  const splitter = new JsonArraySplitter({
    arrays: ["vulnerabilities"],
    members: ["count", "catalogVersion", "dateReleased"],
    id: "cveID",
  });
  let entries = 0;
  for await (const elements of readJsonArrays(bytes, splitter)) {
    entries += elements.length;
    yield elements.map(({ source }) => source);
  }
  const { count, catalogVersion, dateReleased } = splitter.members;
  if (!splitter.arrays.has("vulnerabilities") || count !== entries) {
    throw new UeeError("PROV_WRONG_SHAPE", "This is no KEV catalogue, or it does not hold what it counts.");
  }
  return editionOf({ version: catalogVersion, date: dateReleased });
}

export const kev = snapshotProvider({
  name: "kev",
  authority: "cisa",
  version: 1,
  upstream: {
    defaultUrl: "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    urlEnv: "UEE_KEV_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  record,
  expect: "json",
  read,
  identify,
  normalizeId: (text) => identify({ cveID: text.toUpperCase() }),
});

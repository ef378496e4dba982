/** MITRE's Common Attack Pattern Enumeration: attack patterns, categories and views of one XML (or zipped XML) file. */
import { readCatalogue } from "../formats/catalogue.ts";
import { numberedIds } from "../formats/numbered.ts";
import { snapshotProvider } from "../snapshot/provider.ts";
import { capecRecord, capecSchema } from "./schema.ts";

// Entries have no time of their own that changes with every edit: 3.9 changed 2,307 of them with old dates.
export const capec = snapshotProvider({
  name: "capec",
  authority: "mitre",
  version: 1,
  upstream: {
    defaultUrl: "https://capec.mitre.org/data/xml/capec_latest.xml",
    urlEnv: "UEE_CAPEC_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  title: "CAPEC",
  expected: { records: 700, bytesPerRecord: 4_600 },
  example: { id: "CAPEC-66", record: { ID: "66", Name: "x", Consequences: { Consequence: [] } } },
  record: capecRecord,
  ...numberedIds("CAPEC"),
  read: (bytes) => readCatalogue(bytes, { schema: capecSchema, jsonArrays: [] }),
});

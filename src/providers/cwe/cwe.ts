/**
 * MITRE's Common Weakness Enumeration: weaknesses, categories and views of one catalogue, which share one number space.
 * The default is the XML zip; UEE_CWE_URL may point at plain XML or at a JSON catalogue of MITRE's REST shape, which are
 * recognised by their content.
 */
import { readCatalogue } from "../formats/catalogue.ts";
import { numberedIds } from "../formats/numbered.ts";
import { snapshotProvider } from "../snapshot/provider.ts";
import { cweRecord } from "./record.ts";
import { cweSchema } from "./schema.ts";

// Entries have no time of their own that changes with every edit: Content_History is kept by hand.
export const cwe = snapshotProvider({
  name: "cwe",
  authority: "mitre",
  version: 1,
  upstream: {
    defaultUrl: "https://cwe.mitre.org/data/xml/cwec_latest.xml.zip",
    urlEnv: "UEE_CWE_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  title: "CWE",
  expected: { records: 1_500, bytesPerRecord: 5_700 },
  example: { id: "CWE-79", record: { ID: "79", Name: "x", Content_History: { Submission: {} } } },
  record: cweRecord,
  ...numberedIds("CWE"),
  read: (bytes) =>
    readCatalogue(bytes, { schema: cweSchema, jsonArrays: ["Weaknesses", "Categories", "Views"] }),
});

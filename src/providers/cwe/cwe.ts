/**
 * MITRE's Common Weakness Enumeration: weaknesses, categories and views of one catalogue, which share one number space.
 * The default is the XML zip; UEE_CWE_URL may point at plain XML or at a JSON catalogue of MITRE's REST shape, told
 * apart by content.
 */
import { defineProvider } from "../contract.ts";
import { type CatalogueFile, extractCatalogue } from "../formats/catalogue.ts";
import { numberedIds } from "../formats/numbered.ts";
import { checkRecord } from "../formats/recordShape.ts";
import {
  planSnapshot,
  SLICE_RECORDS,
  type SnapshotPayload,
  snapshotPayload,
  verifySnapshot,
} from "../formats/snapshot.ts";
import { cweRecord } from "./record.ts";
import { cweSchema } from "./schema.ts";

const { identify, normalizeId } = numberedIds("CWE");

const file: CatalogueFile = {
  schema: cweSchema,
  jsonArrays: ["Weaknesses", "Categories", "Views"],
  identify,
};

export const cwe = defineProvider<SnapshotPayload>({
  name: "cwe",
  authority: "mitre",
  version: 1,
  kind: "snapshot",
  upstream: {
    defaultUrl: "https://cwe.mitre.org/data/xml/cwec_latest.xml.zip",
    urlEnv: "UEE_CWE_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  batch: snapshotPayload,
  record: cweRecord,
  pageSize: SLICE_RECORDS,
  plan: ({ pass }) => planSnapshot(pass),
  extract: (payload, context) => extractCatalogue(payload, context, file),
  // Entries bear no time of their own that changes with every edit: Content_History is kept by hand.
  transform: (raw) => ({ ...checkRecord(raw, cweRecord, identify), lastModified: null, aliases: [] }),
  identify,
  verify: verifySnapshot,
  normalizeId,
});

/** MITRE's Common Attack Pattern Enumeration: attack patterns, categories and views, out of one XML (or zipped XML). */
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
import { capecRecord, capecSchema } from "./schema.ts";

const { identify, normalizeId } = numberedIds("CAPEC");

const file: CatalogueFile = { schema: capecSchema, jsonArrays: [], identify };

export const capec = defineProvider<SnapshotPayload>({
  name: "capec",
  authority: "mitre",
  version: 1,
  kind: "snapshot",
  upstream: {
    defaultUrl: "https://capec.mitre.org/data/xml/capec_latest.xml",
    urlEnv: "UEE_CAPEC_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  batch: snapshotPayload,
  record: capecRecord,
  pageSize: SLICE_RECORDS,
  plan: ({ pass }) => planSnapshot(pass),
  extract: (payload, context) => extractCatalogue(payload, context, file),
  // Entries bear no time of their own that changes with every edit: 3.9 changed 2,307 of them with old dates.
  transform: (raw) => ({ ...checkRecord(raw, capecRecord, identify), lastModified: null, aliases: [] }),
  identify,
  verify: verifySnapshot,
  normalizeId,
});

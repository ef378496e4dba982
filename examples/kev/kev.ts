/**
 * A whole provider in one file: CISA's Known Exploited Vulnerabilities, a JSON catalogue that is fetched as one snapshot.
 *
 * A run is one `stage` batch, which downloads and judges the whole catalogue and lays it down in slices, and then one
 * `slice` batch for each of them. Nothing is committed before everything was read.
 */
import { createHash } from "node:crypto";
import {
  conditionalHeaders,
  defineProvider,
  type ExtractContext,
  type Extracted,
  editionOf,
  extractSlice,
  type JsonObject,
  parseJsonBytes,
  planSnapshot,
  SliceStager,
  type SnapshotPayload,
  snapshotFacts,
  snapshotPayload,
  UeeError,
  validators,
  verifySnapshot,
} from "uee";
import { z } from "zod";

const ID = /^CVE-\d{4}-\d{4,}$/;

const catalogue = z.looseObject({
  count: z.int().positive(),
  catalogVersion: z.unknown().optional(),
  dateReleased: z.string(),
  vulnerabilities: z.array(z.unknown()),
});

/** Unknown fields pass through; a declared list of another type makes a record bad. */
const entry = z.looseObject({ cveID: z.string().regex(ID), cwes: z.array(z.unknown()).nullish() });

const identify = (raw: unknown): string | undefined => {
  const id = (raw as { cveID?: unknown } | null)?.cveID;
  return typeof id === "string" && ID.test(id) ? id : undefined;
};

async function stage(context: ExtractContext, pass: number): Promise<Extracted<SnapshotPayload>> {
  const answer = await context.fetcher.fetch({
    url: context.url,
    headers: conditionalHeaders(context),
    maxBytes: 64 * 1024 * 1024,
    expect: "json",
  });
  if (answer.status === 304) return { records: [], fetchedAt: answer.fetchedAt, notModified: true };
  const sha256 = createHash("sha256").update(answer.body).digest("hex");
  if (context.changeKey?.sha256 === sha256) {
    return { records: [], fetchedAt: answer.fetchedAt, notModified: true };
  }
  const parsed = catalogue.safeParse(parseJsonBytes(answer.body));
  if (!parsed.success || parsed.data.count !== parsed.data.vulnerabilities.length) {
    throw new UeeError("PROV_WRONG_SHAPE", "This is no KEV catalogue, or it does not hold what it counts.");
  }
  // Of two entries with one id the later one stands.
  const stager = new SliceStager<null>({
    context,
    fetchedAt: answer.fetchedAt,
    pass,
    supersedes: () => true,
  });
  for (const raw of parsed.data.vulnerabilities) await stager.add(JSON.stringify(raw), identify(raw), null);
  return {
    records: [],
    fetchedAt: answer.fetchedAt,
    more: await stager.finish(),
    // An edition that is older than the one in the store is left alone.
    facts: snapshotFacts(
      stager.total,
      editionOf({ version: parsed.data.catalogVersion, date: parsed.data.dateReleased, digest: sha256 }),
    ),
    changeKey: { sha256, ...validators(answer.headers) },
  };
}

export const kev = defineProvider<SnapshotPayload>({
  name: "kev",
  authority: "cisa",
  version: 1,
  kind: "snapshot",
  upstream: {
    defaultUrl: "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    urlEnv: "UEE_KEV_URL",
    rate: { max: 10, windowMs: 60_000 },
  },
  batch: snapshotPayload,
  record: entry,
  pageSize: 400,
  plan: ({ pass }) => planSnapshot(pass),
  extract: (payload, context) =>
    payload.kind === "stage" ? stage(context, payload.pass) : extractSlice(payload, context),
  transform: (raw) => {
    const id = identify(raw);
    if (id === undefined) throw new UeeError("VAL_RECORD_ID");
    const checked = entry.safeParse(raw);
    if (!checked.success) throw new UeeError("VAL_RECORD_FIELD", checked.error.issues[0]?.message);
    return { id, lastModified: null, aliases: [], data: raw as JsonObject };
  },
  identify,
  verify: verifySnapshot,
  normalizeId: (text) => identify({ cveID: text.toUpperCase() }),
});

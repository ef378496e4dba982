/**
 * MITRE ATT&CK: every STIX object of the newest Enterprise, Mobile and ICS bundles that the index names, relationships,
 * revoked and deprecated ones included. The bundles' own wrappers are metadata.
 */
import { createHash } from "node:crypto";
import { bounds } from "../../core/bounds.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { FetchRequest } from "../../core/fetching.ts";
import { canonicalJson, type JsonObject, parseJsonBytes } from "../../core/json.ts";
import { defineProvider, type ExtractContext, type Extracted } from "../contract.ts";
import { digested, wrongBytes } from "../formats/download.ts";
import { JsonArraySplitter, type JsonElement, readJsonArrays } from "../formats/jsonArrays.ts";
import {
  conditionalHeaders,
  extractSlice,
  planSnapshot,
  SLICE_RECORDS,
  SliceStager,
  type SnapshotPayload,
  snapshotFacts,
  snapshotPayload,
  validators,
  verifySnapshot,
} from "../formats/snapshot.ts";
import { type Domain, domains, newestBundles, newestTime } from "./collections.ts";
import {
  attackRecord,
  identifyStix,
  laterThan,
  normalizeStixId,
  preferStix,
  transformStix,
  versionOf,
} from "./record.ts";

async function stage(pass: number, context: ExtractContext): Promise<Extracted<SnapshotPayload>> {
  const index = await context.fetcher.fetch({
    url: context.url,
    headers: conditionalHeaders(context),
    maxBytes: bounds.indexBytes,
    expect: "json",
  });
  // All records are as old as the index: what another run fetched later is newer, whichever bundle came last here.
  const { fetchedAt, headers } = index;
  const known = context.mode === "incremental" ? context.changeKey : null;
  if (index.status === 304) {
    return { records: [], fetchedAt, notModified: true, changeKey: { ...known, ...validators(headers) } };
  }
  const bundles = newestBundles(parseJsonBytes(index.body));
  const changeKey: JsonObject = { bundles, ...validators(headers) };
  if (known && canonicalJson(known.bundles) === canonicalJson(bundles)) {
    return { records: [], fetchedAt, notModified: true, changeKey };
  }

  // Domains come in order of precedence, so a later copy must be newer to stand, not just as new.
  const stager = new SliceStager<string | null>({ context, fetchedAt, pass, supersedes: laterThan });
  for (const domain of domains) {
    try {
      await stageBundle(domain, { url: bundles[domain].url, foundIn: index }, context, stager);
    } catch (error) {
      throw named(error, domain, bundles[domain].version);
    }
  }
  const more = await stager.finish();
  return { records: [], fetchedAt, more, facts: snapshotFacts(stager.total, newestTime(bundles)), changeKey };
}

async function stageBundle(
  domain: Domain,
  address: Pick<FetchRequest, "url" | "foundIn">,
  context: ExtractContext,
  stager: SliceStager<string | null>,
): Promise<void> {
  const { body } = await context.fetcher.stream({
    ...address,
    maxBytes: bounds.documentBytes,
    expect: "json",
  });
  const splitter = new JsonArraySplitter({ arrays: ["objects"], members: ["type"], id: "id" });
  let objects = 0;
  const hash = createHash("sha256");
  try {
    objects = await stageObjects(readJsonArrays(digested(body, hash), splitter), context, stager);
  } catch (error) {
    throw await wrongBytes(error, () => hash.digest("hex"), context);
  }
  if (splitter.members.type !== "bundle" || !splitter.arrays.has("objects")) {
    throw new UeeError("PROV_WRONG_SHAPE", `The ${domain} bundle is not a STIX bundle.`);
  }
  if (objects === 0) throw new UeeError("PROV_EMPTY_LIE", `The ${domain} bundle holds no objects.`);
}

async function stageObjects(
  lists: AsyncIterable<JsonElement[]>,
  context: ExtractContext,
  stager: SliceStager<string | null>,
): Promise<number> {
  let objects = 0;
  for await (const elements of lists) {
    context.signal.throwIfAborted();
    for (const { source } of elements) {
      const { known } = source;
      await stager.add(source, identifyStix(known), versionOf(known));
    }
    objects += elements.length;
  }
  return objects;
}

/** The index is right and one of its bundles is not: the error says which, and where it was looked for. */
function named(error: unknown, domain: Domain, version: string): unknown {
  if (!isUeeError(error) || !error.code.startsWith("PROV_")) return error;
  const { code, detail, cause, retryAfterMs, data } = error;
  const at = typeof data.url === "string" ? ` at ${data.url}` : "";
  const bundle = `The ${domain} bundle${version === "" ? "" : ` ${version}`}${at}`;
  return new UeeError(code, `${bundle}: ${detail}`, { cause, retryAfterMs, data });
}

export const attack = defineProvider<SnapshotPayload>({
  name: "attack",
  authority: "mitre",
  version: 1,
  kind: "snapshot",
  upstream: {
    defaultUrl: "https://raw.githubusercontent.com/mitre-attack/attack-stix-data/master/index.json",
    urlEnv: "UEE_ATTACK_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  batch: snapshotPayload,
  record: attackRecord,
  pageSize: SLICE_RECORDS,
  plan: ({ pass }) => planSnapshot(pass),
  extract: (payload, context) =>
    payload.kind === "slice" ? extractSlice(payload, context) : stage(payload.pass, context),
  transform: transformStix,
  identify: identifyStix,
  verify: verifySnapshot,
  normalizeId: normalizeStixId,
  preferAlias: preferStix,
});

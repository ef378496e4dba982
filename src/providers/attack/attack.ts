/**
 * MITRE ATT&CK: every STIX object of the newest Enterprise, Mobile and ICS bundles that the index names, relationships,
 * revoked and deprecated ones included. The bundles' own wrappers are metadata.
 */
import { createHash } from "node:crypto";
import { bounds } from "../../core/bounds.ts";
import { compareVersions, type Edition, type EditionName } from "../../core/edition.ts";
import { isUeeError, UeeError } from "../../core/errors.ts";
import type { FetchRequest } from "../../core/fetching.ts";
import { canonicalJson, type JsonObject, parseJsonBytes } from "../../core/json.ts";
import { fingerprint } from "../../core/secrets.ts";
import { defineProvider, type ExtractContext, type Extracted } from "../contract.ts";
import { digested, wrongBytes } from "../formats/download.ts";
import { JsonArraySplitter, type JsonElement, readJsonArrays } from "../formats/jsonArrays.ts";
import {
  conditionalHeaders,
  editionOf,
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
import {
  type Domain,
  domains,
  editionInBundle,
  editionNamed,
  type NewestBundles,
  newestBundles,
  newestTime,
} from "./collections.ts";
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
    return { records: [], fetchedAt, notModified: true, changeKey: { ...known } };
  }
  const bundles = newestBundles(parseJsonBytes(index.body));
  const changeKey: JsonObject = { bundles: keysOf(bundles), ...validators(headers) };
  if (known && canonicalJson(known.bundles) === canonicalJson(changeKey.bundles)) {
    return { records: [], fetchedAt, notModified: true, changeKey };
  }

  // Domains come in order of precedence, so a later copy must be newer to stand, not just as new.
  const stager = new SliceStager<string | null>({ context, fetchedAt, pass, supersedes: laterThan });
  const parts: Record<string, EditionName> = {};
  let lagging = false;
  for (const domain of domains) {
    const expected = editionNamed(bundles[domain]);
    const address = { url: bundles[domain].url, foundIn: index };
    const own = await stageBundle(domain, address, context, stager).catch((error: unknown) => {
      throw named(error, domain, bundles[domain].version);
    });
    const lags = (compareVersions(own?.version, expected.version) ?? 0) < 0;
    if (lags) {
      const detail = `the index names ${domain} ${expected.version}, its bundle holds ${own?.version}`;
      context.logger.warn({ event: "bundle_lags", domain }, detail);
    }
    parts[domain] = lags ? own! : expected;
    lagging ||= lags;
  }
  const more = await stager.finish();
  const edition: Edition = { ...editionOf({ date: newestTime(bundles) }), ...sameVersion(parts), parts };
  const facts = snapshotFacts(stager.total, edition);
  // A lagging bundle is not the edition that the index names: without a key the next run looks at it again.
  return { records: [], fetchedAt, more, facts, ...(lagging ? {} : { changeKey }) };
}

/** What the index says of its bundles, without their addresses: those may hold credentials. */
const keysOf = (bundles: NewestBundles): JsonObject =>
  Object.fromEntries(
    domains.map((domain) => {
      const { version, modified, url } = bundles[domain];
      return [domain, { version, modified, url: fingerprint(url) }];
    }),
  );

/** The version of the whole, where its parts have one in common. */
function sameVersion(parts: Record<string, EditionName>): EditionName {
  const [version, ...others] = new Set(Object.values(parts).map((part) => part.version));
  return version === undefined || others.length > 0 ? {} : { version };
}

/** Returns the edition that the bundle names itself, where it does. */
async function stageBundle(
  domain: Domain,
  address: Pick<FetchRequest, "url" | "foundIn">,
  context: ExtractContext,
  stager: SliceStager<string | null>,
): Promise<EditionName | undefined> {
  const { body } = await context.fetcher.stream({
    ...address,
    maxBytes: bounds.documentBytes,
    expect: "json",
  });
  const splitter = new JsonArraySplitter({ arrays: ["objects"], members: ["type"], id: "id" });
  let objects = 0;
  let edition: EditionName | undefined;
  const hash = createHash("sha256");
  try {
    const lists = readJsonArrays(digested(body, hash), splitter);
    ({ objects, edition } = await stageObjects(lists, context, stager));
  } catch (error) {
    throw await wrongBytes(error, () => hash.digest("hex"), context);
  }
  if (splitter.members.type !== "bundle" || !splitter.arrays.has("objects")) {
    throw new UeeError("PROV_WRONG_SHAPE", `The ${domain} bundle is not a STIX bundle.`);
  }
  if (objects === 0) throw new UeeError("PROV_EMPTY_LIE", `The ${domain} bundle holds no objects.`);
  return edition;
}

async function stageObjects(
  lists: AsyncIterable<JsonElement[]>,
  context: ExtractContext,
  stager: SliceStager<string | null>,
): Promise<{ objects: number; edition: EditionName | undefined }> {
  let objects = 0;
  let edition: EditionName | undefined;
  for await (const elements of lists) {
    context.signal.throwIfAborted();
    for (const { source } of elements) {
      const { known } = source;
      edition ??= editionInBundle(known);
      await stager.add(source, identifyStix(known), versionOf(known));
    }
    objects += elements.length;
  }
  return { objects, edition };
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

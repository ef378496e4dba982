/**
 * Extraction of a catalogue that is one file: CWE and CAPEC. The file is recognised by its content: zip with one XML in
 * it, XML, or JSON where the provider knows its shape.
 */
import { createHash } from "node:crypto";
import { UeeError } from "../../core/errors.ts";
import type { SourceText } from "../../core/sourceText.ts";
import { formatTime } from "../../core/time.ts";
import type { ExtractContext, Extracted } from "../contract.ts";
import type { CatalogueSchema } from "./catalogueSchema.ts";
import { inChunks } from "./chunks.ts";
import { JsonArraySplitter, readJsonArrays } from "./jsonArrays.ts";
import {
  conditionalHeaders,
  extractSlice,
  SliceStager,
  type SnapshotPayload,
  snapshotFacts,
  validators,
} from "./snapshot.ts";
import { sniffContent } from "./sniff.ts";
import { readXmlCatalogue, XmlCatalogueReader } from "./xmlCatalogue.ts";
import { readZippedXml } from "./zip.ts";

/** The catalogues are 4 to 16 MB today, 2 MB zipped. */
export const MAX_DOWNLOAD_BYTES = 128 * 1024 * 1024;
export const MAX_INFLATED_BYTES = 256 * 1024 * 1024;

export interface CatalogueFile {
  schema: CatalogueSchema;
  /** Keys of the lists of a JSON catalogue; none: JSON is refused. */
  jsonArrays: readonly string[];
  identify(raw: unknown): string | undefined;
}

interface Entry {
  source: SourceText | string;
  id: string | undefined;
}

/** What the catalogue says of itself; known once all of it is read. */
interface Edition {
  version?: string;
  date?: string;
}

export function extractCatalogue(
  payload: SnapshotPayload,
  context: ExtractContext,
  file: CatalogueFile,
): Promise<Extracted<SnapshotPayload>> {
  return payload.kind === "slice"
    ? extractSlice(payload, context)
    : stageCatalogue(payload.pass, context, file);
}

async function stageCatalogue(
  pass: number,
  context: ExtractContext,
  file: CatalogueFile,
): Promise<Extracted<SnapshotPayload>> {
  const response = await context.fetcher.fetch({
    url: context.url,
    headers: conditionalHeaders(context),
    maxBytes: MAX_DOWNLOAD_BYTES,
    expect: "binary",
  });
  const { fetchedAt, headers, body } = response;
  const known = context.mode === "incremental" ? context.changeKey : null;
  if (response.status === 304) {
    return {
      records: [],
      fetchedAt,
      notModified: true,
      changeKey: { ...context.changeKey, ...validators(headers) },
    };
  }
  const sha256 = createHash("sha256").update(body).digest("hex");
  const changeKey = { sha256, ...validators(headers) };
  if (known?.sha256 === sha256) {
    return { records: [], fetchedAt, notModified: true, changeKey: { ...known, ...changeKey } };
  }

  // One id twice: the later entry stands, as when a map is filled.
  const stager = new SliceStager<null>({ context, fetchedAt, pass, supersedes: () => true });
  const edition: Edition = {};
  for await (const entries of readEntries(body, file, edition)) {
    context.signal.throwIfAborted();
    for (const { source, id } of entries) await stager.add(source, id, null);
  }
  const more = await stager.finish();
  const timestamp = edition.date ?? httpTime(headers["last-modified"]);
  return {
    records: [],
    fetchedAt,
    more,
    facts: snapshotFacts(stager.total, timestamp),
    changeKey: { ...changeKey, ...(edition.version === undefined ? {} : { version: edition.version }) },
  };
}

function readEntries(body: Buffer, file: CatalogueFile, edition: Edition): AsyncGenerator<Entry[]> {
  switch (sniffContent(body)) {
    case "zip":
      return xmlEntries(readZippedXml(body, MAX_INFLATED_BYTES), file, edition);
    case "xml":
      return xmlEntries(inChunks(body), file, edition);
    case "json":
      if (file.jsonArrays.length > 0) return jsonEntries(inChunks(body), file, edition);
      throw new UeeError("PROV_WRONG_SHAPE", `The answer is JSON, not a <${file.schema.root}>.`);
  }
}

async function* xmlEntries(
  source: AsyncIterable<Buffer>,
  { schema, identify }: CatalogueFile,
  edition: Edition,
): AsyncGenerator<Entry[]> {
  const reader = new XmlCatalogueReader(schema);
  for await (const records of readXmlCatalogue(source, reader)) {
    yield records.map((record) => ({ source: JSON.stringify(record), id: identify(record) }));
  }
  edition.version = reader.attributes.Version;
  edition.date = reader.attributes.Date;
}

async function* jsonEntries(
  source: AsyncIterable<Buffer>,
  { jsonArrays, identify }: CatalogueFile,
  edition: Edition,
): AsyncGenerator<Entry[]> {
  const splitter = new JsonArraySplitter({
    arrays: jsonArrays,
    members: ["ContentVersion", "ContentDate"],
    id: "ID",
  });
  for await (const elements of readJsonArrays(source, splitter)) {
    yield elements.map(({ source }) => ({ source, id: identify(source.known) }));
  }
  if (splitter.arrays.size === 0) {
    throw new UeeError("PROV_WRONG_SHAPE", `The JSON has none of ${jsonArrays.join(", ")}.`);
  }
  const { ContentVersion, ContentDate } = splitter.members;
  if (typeof ContentVersion === "string") edition.version = ContentVersion;
  if (typeof ContentDate === "string") edition.date = ContentDate;
}

function httpTime(text: string | undefined): string | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : formatTime(ms);
}

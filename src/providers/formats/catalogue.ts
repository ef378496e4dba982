/**
 * Extraction of a catalogue that is one file: CWE and CAPEC. The file is recognised by its content: zip with one XML in
 * it, XML, or JSON where the provider knows its shape.
 */
import { bounds } from "../../core/bounds.ts";
import type { EditionName } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { SourceText } from "../../core/sourceText.ts";
import type { ExtractContext, Extracted, PlannedBatch } from "../contract.ts";
import type { CatalogueSchema } from "./catalogueSchema.ts";
import { HeldFile, wrongBytes } from "./download.ts";
import { JsonArraySplitter, readJsonArrays } from "./jsonArrays.ts";
import {
  conditionalHeaders,
  editionOf,
  extractSlice,
  SliceStager,
  type SnapshotPayload,
  snapshotFacts,
  validators,
} from "./snapshot.ts";
import { sniffContent } from "./sniff.ts";
import { readXmlCatalogue, XmlCatalogueReader } from "./xmlCatalogue.ts";
import { readZippedXml } from "./zip.ts";

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
  const response = await context.fetcher.stream({
    url: context.url,
    headers: conditionalHeaders(context),
    maxBytes: bounds.catalogueBytes,
    expect: "binary",
  });
  const { fetchedAt, headers } = response;
  const body = await HeldFile.of(response.body);
  const known = context.mode === "incremental" ? context.changeKey : null;
  if (response.status === 304) {
    return { records: [], fetchedAt, notModified: true, changeKey: { ...context.changeKey } };
  }
  const { sha256 } = body;
  const changeKey = { sha256, ...validators(headers) };
  if (known?.sha256 === sha256) {
    return { records: [], fetchedAt, notModified: true, changeKey };
  }

  // One id twice: the later entry stands, as when a map is filled.
  const stager = new SliceStager<null>({ context, fetchedAt, pass, supersedes: () => true });
  const name: EditionName = {};
  let more: PlannedBatch<SnapshotPayload>[];
  try {
    for await (const entries of readEntries(body, file, name)) {
      context.signal.throwIfAborted();
      for (const { source, id } of entries) await stager.add(source, id, null);
    }
    more = await stager.finish();
  } catch (error) {
    throw await wrongBytes(error, () => sha256, context);
  }
  const edition = { ...name, ...editionOf({ lastModified: headers["last-modified"], digest: sha256 }) };
  return { records: [], fetchedAt, more, facts: snapshotFacts(stager.total, edition), changeKey };
}

/** `name` is filled in once all of the catalogue is read. */
function readEntries(body: HeldFile, file: CatalogueFile, name: EditionName): AsyncGenerator<Entry[]> {
  switch (sniffContent(body.head(1024))) {
    case "zip":
      return xmlEntries(readZippedXml(body.joined(), bounds.inflatedBytes), file, name);
    case "xml":
      return xmlEntries(body.pieces(), file, name);
    case "json":
      if (file.jsonArrays.length > 0) return jsonEntries(body.pieces(), file, name);
      throw new UeeError("PROV_WRONG_SHAPE", `The answer is JSON, not a <${file.schema.root}>.`);
  }
}

async function* xmlEntries(
  source: AsyncIterable<Buffer>,
  { schema, identify }: CatalogueFile,
  name: EditionName,
): AsyncGenerator<Entry[]> {
  const reader = new XmlCatalogueReader(schema);
  for await (const records of readXmlCatalogue(source, reader)) {
    yield records.map((record) =>
      record instanceof SourceText
        ? { source: record, id: identify(record.known) }
        : { source: JSON.stringify(record), id: identify(record) },
    );
  }
  const { Version: version, Date: date } = reader.attributes;
  Object.assign(name, editionOf({ version, date }));
}

async function* jsonEntries(
  source: AsyncIterable<Buffer>,
  { jsonArrays, identify }: CatalogueFile,
  name: EditionName,
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
  const { ContentVersion: version, ContentDate: date } = splitter.members;
  Object.assign(name, editionOf({ version, date }));
}

/**
 * Reads a catalogue that is one file: CWE and CAPEC. The file is recognised by its content: zip with one XML file in it,
 * XML, or JSON where the source knows its shape.
 */

import { editionOf } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import type { SnapshotReading } from "../snapshot/provider.ts";
import { readZip } from "./archives.ts";
import { JsonArraySplitter, readJsonArrays } from "./jsonArrays.ts";
import { recognise } from "./sniff.ts";
import { readXmlCatalogue, XmlCatalogueReader } from "./xmlCatalogue.ts";
import type { CatalogueSchema } from "./xmlElement.ts";

export interface CatalogueFile {
  schema: CatalogueSchema;
  /** Keys of the lists of a JSON catalogue; none: JSON is refused. */
  jsonArrays: readonly string[];
}

export async function* readCatalogue(source: AsyncIterable<Buffer>, file: CatalogueFile): SnapshotReading {
  const { kind, bytes } = await recognise(source);
  if (kind === "zip") return yield* xmlEntries(readZip(bytes, ".xml"), file);
  if (kind === "xml") return yield* xmlEntries(bytes, file);
  if (kind === "json" && file.jsonArrays.length > 0) return yield* jsonEntries(bytes, file);
  const expected = file.jsonArrays.length > 0 ? "zip, XML nor JSON" : "zip nor XML";
  throw new UeeError("PROV_WRONG_SHAPE", `The answer is neither ${expected}.`);
}

async function* xmlEntries(source: AsyncIterable<Buffer>, { schema }: CatalogueFile): SnapshotReading {
  const reader = new XmlCatalogueReader(schema);
  yield* readXmlCatalogue(source, reader);
  const { Version: version, Date: date } = reader.attributes;
  return editionOf({ version, date });
}

async function* jsonEntries(source: AsyncIterable<Buffer>, { jsonArrays }: CatalogueFile): SnapshotReading {
  const splitter = new JsonArraySplitter({
    arrays: jsonArrays,
    members: ["ContentVersion", "ContentDate"],
    id: "ID",
  });
  for await (const elements of readJsonArrays(source, splitter)) yield elements.map(({ source }) => source);
  if (splitter.arrays.size === 0) {
    throw new UeeError("PROV_WRONG_SHAPE", `The JSON has none of ${jsonArrays.join(", ")}.`);
  }
  const { ContentVersion: version, ContentDate: date } = splitter.members;
  return editionOf({ version, date });
}

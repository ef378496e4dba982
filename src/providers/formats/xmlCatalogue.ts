/**
 * MITRE's XML catalogues, read piece by piece: `root > group > record`. One record at a time is held, together with the
 * source text since it began, from which mixed content is cut out verbatim.
 *
 * Refused as PROV_BAD_XML: what is not well-formed or ends early, any DOCTYPE (so no entity is ever declared, expanded
 * or fetched), depth beyond MAX_DEPTH, an encoding other than UTF-8. A different root is PROV_WRONG_SHAPE.
 */
import { SaxesParser, type SaxesTagNS } from "saxes";
import { fromForeign, UeeError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CatalogueSchema } from "./catalogueSchema.ts";
import { decodeUtf8 } from "./chunks.ts";
import { xmlErrors } from "./formatErrors.ts";
import { elementValue, isMixed, type OpenElement } from "./xmlElement.ts";

const XHTML = "http://www.w3.org/1999/xhtml";
const MAX_DEPTH = 128;

export type CatalogueAttributes = Record<string, string>;

export class XmlCatalogueReader {
  /** Attributes of the root: Name, Version, Date. */
  readonly attributes: CatalogueAttributes = {};
  readonly #schema: CatalogueSchema;
  readonly #parser = new SaxesParser({ xmlns: true });
  readonly #open: OpenElement[] = [];
  #records: JsonObject[] = [];
  #depth = 0;
  #namespace = "";
  #inGroup = false;
  /** Depth at and below which nothing is built: inside metadata or markup. 0 when none. */
  #skipFrom = 0;
  /** Source text from position #base on. */
  #source = "";
  #base = 0;

  constructor(schema: CatalogueSchema) {
    this.#schema = schema;
    this.#parser.on("opentag", (tag) => this.#openTag(tag));
    this.#parser.on("closetag", (tag) => this.#closeTag(tag));
    this.#parser.on("text", (text) => this.#text(text));
    this.#parser.on("cdata", (text) => this.#text(text));
    this.#parser.on("doctype", () => {
      throw new UeeError("PROV_BAD_XML", "The XML has a DOCTYPE; UEE reads none, for entities' sake.");
    });
    this.#parser.on("xmldecl", ({ encoding }) => {
      if (encoding !== undefined && !/^(utf-?8|us-ascii)$/i.test(encoding)) {
        throw new UeeError("PROV_BAD_XML", `The XML says it is ${encoding}; UEE reads UTF-8.`);
      }
    });
  }

  /** Records that ended in this piece of text. */
  write(piece: string): JsonObject[] {
    this.#source += piece;
    this.#guard(() => this.#parser.write(piece));
    // Only what the open record may still cut out is kept. Between records that is nothing, but for one character that
    // the parser may have carried over to the next piece.
    const from = this.#open[0]?.start ?? this.#base + Math.max(0, this.#source.length - 1);
    this.#source = this.#source.slice(from - this.#base);
    this.#base = from;
    const records = this.#records;
    this.#records = [];
    return records;
  }

  /** Characters of source text held at present: at most the open record and one piece. */
  get held(): number {
    return this.#source.length;
  }

  /** Throws unless the document ended well. */
  end(): void {
    this.#guard(() => this.#parser.close());
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      throw fromForeign(error, xmlErrors);
    }
  }

  #openTag(tag: SaxesTagNS): void {
    this.#depth++;
    if (this.#depth > MAX_DEPTH) throw new UeeError("PROV_BAD_XML", `Nested deeper than ${MAX_DEPTH}.`);
    if (this.#skipFrom > 0) return;
    if (this.#depth === 1) this.#openRoot(tag);
    else if (this.#depth === 2) this.#inGroup = this.#schema.groups.has(tag.local);
    else this.#openElement(tag);
  }

  /** A record or something in one. */
  #openElement(tag: SaxesTagNS): void {
    const parent = this.#open.at(-1);
    if (!parent && !this.#inGroup) {
      this.#skipFrom = this.#depth;
      return;
    }
    if (parent && (tag.uri === XHTML || parent.kind === "text" || parent.kind === "annotated")) {
      parent.markup = true;
      this.#skipFrom = this.#depth;
      return;
    }
    const name = tag.uri === this.#namespace ? tag.local : tag.name;
    this.#open.push({
      name,
      kind: parent ? this.#schema.kind(parent.name, name) : "object",
      attributes: Object.values(tag.attributes).map((attribute) => [attribute.name, attribute.value]),
      children: [],
      text: "",
      markup: false,
      start: this.#parser.position,
    });
  }

  #openRoot(tag: SaxesTagNS): void {
    if (tag.local !== this.#schema.root) {
      throw new UeeError("PROV_WRONG_SHAPE", `The XML is a <${tag.local}>, not a <${this.#schema.root}>.`);
    }
    this.#namespace = tag.uri;
    for (const attribute of Object.values(tag.attributes)) this.attributes[attribute.name] = attribute.value;
  }

  #text(text: string): void {
    const element = this.#open.at(-1);
    // Inside markup the characters are kept with the source, not here.
    if (element && this.#skipFrom === 0) element.text += text;
  }

  #closeTag(tag: SaxesTagNS): void {
    const depth = this.#depth--;
    if (this.#skipFrom > 0) {
      if (depth === this.#skipFrom) this.#skipFrom = 0;
      return;
    }
    const element = this.#open.pop();
    if (!element) return;
    const markup = isMixed(element) ? this.#contentSince(element.start, tag.isSelfClosing) : undefined;
    const value = elementValue(element, markup, this.#schema);
    const parent = this.#open.at(-1);
    if (parent) parent.children.push([element.name, value]);
    else this.#records.push(value as JsonObject);
  }

  /** Source text from `start` to the end tag that was just read. */
  #contentSince(start: number, selfClosing: boolean): string {
    if (selfClosing) return "";
    const end = this.#source.lastIndexOf("</", this.#parser.position - this.#base - 1);
    return this.#source.slice(start - this.#base, end);
  }
}

/** Records of a catalogue as they end; the reader has its attributes once all is read. */
export async function* readXmlCatalogue(
  source: AsyncIterable<Buffer>,
  reader: XmlCatalogueReader,
): AsyncGenerator<JsonObject[]> {
  for await (const piece of decodeUtf8(source)) {
    const records = reader.write(piece);
    if (records.length > 0) yield records;
  }
  reader.end();
}

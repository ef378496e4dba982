/**
 * MITRE's XML catalogues, read piece by piece: `root > group > record`. One record at a time is held, together with the
 * source text since it began, from which mixed content is cut out verbatim.
 *
 * A record beyond the bounds (core/bounds.ts) comes as a source text that says why it is refused; nothing of its content
 * is built or held but the source itself, and of a source that is too large the first bytes.
 *
 * Refused as a whole, as PROV_BAD_XML: what is not well-formed or ends early, any DOCTYPE (so no entity is ever declared,
 * expanded or fetched), an encoding other than UTF-8, and what XmlBudget refuses. A different root is PROV_WRONG_SHAPE.
 */
import { SaxesParser, type SaxesTagNS } from "saxes";
import { bounds } from "../../core/bounds.ts";
import { fromForeign, UeeError } from "../../core/errors.ts";
import type { ForeignTable } from "../../core/foreignErrors.ts";
import type { JsonObject } from "../../core/json.ts";
import { type Refusal, SourceText, tooLarge } from "../../core/sourceText.ts";
import { decodeUtf8 } from "./text.ts";
import { XmlBudget } from "./xmlBudget.ts";
import { type CatalogueSchema, elementValue, isMixed, type OpenElement } from "./xmlElement.ts";

export const xmlErrors: ForeignTable = {
  library: "saxes",
  patterns: [{ when: {}, as: "PROV_BAD_XML", says: "The answer is not well-formed XML ({})." }],
};

const XHTML = "http://www.w3.org/1999/xhtml";
/** Open elements around a record: root and group. */
const AROUND = 2;
/** Between records so much is kept of a tag that has begun: its record's source begins with it. */
const TAG_LENGTH = 64 * 1024;

export type CatalogueAttributes = Record<string, string>;

export class XmlCatalogueReader {
  /** Attributes of the root: Name, Version, Date. */
  readonly attributes: CatalogueAttributes = {};
  readonly #schema: CatalogueSchema;
  readonly #parser = new SaxesParser({ xmlns: true });
  readonly #open: OpenElement[] = [];
  readonly #budget = new XmlBudget(this.#parser);
  #records: (JsonObject | SourceText)[] = [];
  /** Where the source of the open record begins, its values so far, its ID as it is read, and why it is refused. */
  #recordStart = 0;
  #values = 0;
  #stub: JsonObject = {};
  #tagStub: JsonObject = {};
  #refusal: Refusal | undefined;
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
    this.#parser.on("opentagstart", ({ ns }) => this.#budget.inherit(ns));
    this.#parser.on("attribute", ({ name, value }) => {
      this.#budget.attribute();
      if (name === "ID" && this.#open.length === 0) this.#tagStub = { ID: value.slice(0, 256) };
      this.#values++;
    });
    for (const token of ["comment", "processinginstruction"] as const) {
      this.#parser.on(token, () => {
        if (this.#budget.tokenEnds()) this.#refuseSize();
      });
    }
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
  write(piece: string): (JsonObject | SourceText)[] {
    // Nothing more is kept of a record that is too large.
    const letGo = this.#refusal !== undefined && this.#source.length >= bounds.record.bytes;
    if (!letGo) this.#source += piece;
    this.#guard(() => this.#parser.write(piece));
    if (this.#open.length > 0) {
      if (this.#parser.position - this.#recordStart > bounds.record.bytes) this.#refuseSize();
      if (this.#recordStart > this.#base) this.#keepFrom(this.#recordStart);
    } else this.#keepFrom(letGo ? this.#parser.position : this.#betweenRecords());
    this.#budget.check(this.#refusal !== undefined || (this.#open.length === 0 && this.#skipFrom > 0));
    const records = this.#records;
    this.#records = [];
    return records;
  }

  #keepFrom(position: number): void {
    this.#source = this.#source.slice(Math.max(0, position - this.#base));
    this.#base = position;
  }

  /** Where a tag that has begun begins, else the one character that the parser may have carried over. */
  #betweenRecords(): number {
    const end = this.#base + this.#source.length;
    const tag = this.#source.lastIndexOf("<");
    return tag >= 0 && this.#source.length - tag <= TAG_LENGTH
      ? this.#base + tag
      : Math.max(this.#base, end - 1);
  }

  #refuse(refusal: Refusal): void {
    const [record] = this.#open;
    if (!record || this.#refusal) return;
    this.#refusal = refusal;
    this.#open.length = 1;
    record.children.length = 0;
    record.text = "";
    // Its end tag is looked for, and nothing else.
    this.#skipFrom = AROUND + 1;
  }

  #refuseSize(): void {
    this.#refuse(tooLarge(`The record's source is longer than ${bounds.record.bytes} characters.`));
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
    const cut = this.#budget.openTag(++this.#depth);
    this.#values++;
    if (cut && this.#depth <= AROUND) {
      throw new UeeError("PROV_BAD_XML", `The XML's <${tag.local.slice(0, 60)}> has attributes without end.`);
    }
    if (this.#skipFrom > 0) return;
    if (this.#depth === 1) this.#openRoot(tag);
    else if (this.#depth === 2) this.#inGroup = this.#schema.groups.has(tag.local);
    else {
      this.#openElement(tag);
      this.#tagStub = {};
      if (cut) this.#refuseSize();
      const { values, depth } = bounds.record;
      if (this.#values > values) this.#refuse(tooLarge(`The record has more than ${values} values.`));
      if (this.#depth - AROUND > depth) {
        const message = `The record is nested more than ${depth} levels deep.`;
        this.#refuse({ code: "VAL_RECORD_DEPTH", message });
      }
    }
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
    if (!parent) {
      this.#stub = this.#tagStub;
      this.#recordStart = this.#tagStart();
      this.#values = 1 + Object.keys(tag.attributes).length;
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

  /** Where the tag that was just read begins: no attribute holds a "<". */
  #tagStart(): number {
    const at = this.#source.lastIndexOf("<", this.#parser.position - this.#base - 1);
    return at < 0 ? this.#parser.position : this.#base + at;
  }

  #openRoot(tag: SaxesTagNS): void {
    if (tag.local !== this.#schema.root) {
      throw new UeeError("PROV_WRONG_SHAPE", `The XML is a <${tag.local}>, not a <${this.#schema.root}>.`);
    }
    this.#namespace = tag.uri;
    for (const attribute of Object.values(tag.attributes)) this.attributes[attribute.name] = attribute.value;
  }

  #text(text: string): void {
    const cut = this.#budget.tokenEnds();
    const element = this.#open.at(-1);
    if (cut && element) this.#refuseSize();
    // Inside markup the characters are kept with the source, not here.
    if (element && this.#skipFrom === 0) element.text += text;
  }

  #closeTag(tag: SaxesTagNS): void {
    const depth = this.#depth--;
    this.#budget.closeTag();
    if (this.#skipFrom > 0) {
      if (depth === this.#skipFrom) this.#skipFrom = 0;
      if (this.#refusal === undefined || depth !== AROUND + 1) return;
      this.#records.push(this.#refused(this.#refusal));
      this.#refusal = undefined;
      this.#open.length = 0;
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

  #refused(refusal: Refusal): SourceText {
    const { bytes, keptBytes } = bounds.record;
    const from = this.#recordStart - this.#base;
    const text = this.#source.slice(from, this.#parser.position - this.#base);
    return SourceText.refused(text.length > bytes ? text.slice(0, keptBytes) : text, this.#stub, refusal);
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
): AsyncGenerator<(JsonObject | SourceText)[]> {
  for await (const piece of decodeUtf8(source)) {
    const records = reader.write(piece);
    if (records.length > 0) yield records;
  }
  reader.end();
}

/**
 * One XML element while it is read, and the value it becomes. The convention is written down for users in
 * docs/data-model.md; a change here is a change of every record's content: raise the providers' `version`.
 */
import type { JsonObject } from "../../core/json.ts";

/**
 * What MITRE's published XML schemas say about an element, as far as it shapes `data` (docs/data-model.md):
 *  - object      only attributes and child elements: always an object
 *  - annotated   text with attributes: always an object with `$text`
 *  - text        text without attributes, plain or with XHTML in it: a string
 * An element in no list is newer than these tables; its content decides.
 */
export type ElementKind = "object" | "annotated" | "text";

export interface CatalogueTables {
  /** Local name of the document's root. */
  root: string;
  /** Children of the root whose children are the records. */
  groups: readonly string[];
  /** Elements by kind: `Name`, or `Parent/Name` where a name means different things. */
  object: readonly string[];
  annotated: readonly string[];
  text: readonly string[];
  /** `Parent/Name` of all elements with maxOccurs="unbounded": always arrays. */
  repeatable: readonly string[];
}

export interface CatalogueSchema {
  readonly root: string;
  readonly groups: ReadonlySet<string>;
  kind(parent: string, name: string): ElementKind | undefined;
  repeats(parent: string, name: string): boolean;
}

export function catalogueSchema(tables: CatalogueTables): CatalogueSchema {
  const kinds = new Map<string, ElementKind>();
  for (const kind of ["object", "annotated", "text"] as const) {
    for (const name of tables[kind]) kinds.set(name, kind);
  }
  const repeatable = new Set(tables.repeatable);
  return {
    root: tables.root,
    groups: new Set(tables.groups),
    kind: (parent, name) => kinds.get(`${parent}/${name}`) ?? kinds.get(name),
    repeats: (parent, name) => repeatable.has(`${parent}/${name}`),
  };
}

/** White space by XML: unlike \s it leaves out the no-break space and its kin, which are text. */
const notBlank = /[^ \t\r\n]/;

/** Text of an element that has attributes too. XML names cannot begin with `$` or `@`. */
const TEXT = "$text";
const CLASH = "@";

export interface OpenElement {
  /** Property name: local name in the catalogue's own namespace, else the name as written. */
  readonly name: string;
  readonly kind: ElementKind | undefined;
  readonly attributes: [name: string, value: string][];
  readonly children: [name: string, value: unknown][];
  /** Decoded character data. */
  text: string;
  /** Holds XHTML or other elements among text: kept verbatim. */
  markup: boolean;
  /** Where the content begins, as a position in the document. */
  readonly start: number;
}

const isBlank = (text: string): boolean => !notBlank.test(text);

/** Text beside child elements makes any element mixed, whatever the tables say. */
export const isMixed = (element: OpenElement): boolean =>
  element.markup || (element.children.length > 0 && !isBlank(element.text));

/** The element's value; `markup` is its verbatim content where it is mixed. */
export function elementValue(
  element: OpenElement,
  markup: string | undefined,
  schema: CatalogueSchema,
): string | JsonObject {
  const { attributes, children, kind } = element;
  const text = markup ?? element.text;
  const isText = kind === "text" || kind === "annotated";
  const hasChildren = markup === undefined && children.length > 0;
  if (kind !== "object" && kind !== "annotated" && attributes.length === 0 && !hasChildren) return text;

  // No prototype: an element called __proto__ is a property like any other.
  const data: JsonObject = Object.create(null);
  if (hasChildren) addChildren(data, element, schema);
  for (const [name, value] of attributes) data[Object.hasOwn(data, name) ? `${CLASH}${name}` : name] = value;
  if (!hasChildren && (isText || !isBlank(text))) data[TEXT] = text;
  return data;
}

function addChildren(data: JsonObject, element: OpenElement, schema: CatalogueSchema): void {
  for (const [name, value] of element.children) {
    if (!Object.hasOwn(data, name)) data[name] = schema.repeats(element.name, name) ? [value] : value;
    // A child's own value is never an array, so an array here is our list.
    else if (Array.isArray(data[name])) data[name].push(value);
    else data[name] = [data[name], value];
  }
}

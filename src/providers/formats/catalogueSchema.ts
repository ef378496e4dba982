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

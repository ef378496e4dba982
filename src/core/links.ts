/** Which other records a record names: the edges of the graph (records/links.ts keeps them, engine/trace.ts walks them). */
import { bounds } from "./bounds.ts";
import type { JsonObject } from "./json.ts";

/** One record that another one names. */
export interface Link {
  /** Name of the provider whose record is meant. */
  readonly provider: string;
  /** Its id as that provider spells it, or one of its aliases. */
  readonly id: string;
  /** What the link says, in the source's own word where it has one: `ChildOf`, `uses`. */
  readonly relation: string;
  /**
   * Set where the naming record is itself a relation between two others, as a STIX relationship is: the id of the record
   * of the same provider at which the edge starts. Default: the naming record.
   */
  readonly from?: string;
}

/** The part of a provider that says which records its records name. */
export interface LinkSource {
  readonly links?: (data: JsonObject) => readonly Link[];
}

/**
 * The links of a record, each once and at most `bounds.record.links`. A record that its provider cannot read has none: it
 * never costs the others of its batch.
 */
export function linksOf(source: LinkSource, data: JsonObject): Link[] {
  if (source.links === undefined) return [];
  const found = new Map<string, Link>();
  try {
    for (const link of source.links(data)) {
      if (found.size === bounds.record.links) break;
      const { provider, id, relation, from = "" } = link;
      if (!isName(id) || (link.from !== undefined && !isName(from))) continue;
      found.set(JSON.stringify([provider, id, relation, from]), link);
    }
  } catch {
    return [];
  }
  return [...found.values()];
}

const isName = (id: unknown): boolean =>
  typeof id === "string" && id !== "" && id.length <= bounds.record.idLength && !id.includes("\0");

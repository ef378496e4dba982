/** STIX objects as records: identity, aliases, and which copy of an object stands. */
import { isObject, type JsonObject } from "../../core/json.ts";
import { parseTime } from "../../core/time.ts";
import type { Link, TransformedRecord } from "../contract.ts";
import { checkRecord, names, objectsIn, recordShape, textIn } from "../formats/records.ts";

const stixId = /^[a-z0-9]+(?:-[a-z0-9]+)*--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const aliasSources = new Set(["mitre-attack", "mitre-mobile-attack", "mitre-ics-attack"]);

export const attackRecord = recordShape({
  lists: names(`
    external_references object_marking_refs granular_markings kill_chain_phases labels aliases tactic_refs
    x_mitre_platforms x_mitre_domains x_mitre_contributors x_mitre_data_sources x_mitre_aliases
    x_mitre_contents x_mitre_collection_layers x_mitre_permissions_required x_mitre_effective_permissions
    x_mitre_defense_bypassed x_mitre_system_requirements x_mitre_impact_type x_mitre_tactic_type
    x_mitre_sectors x_mitre_related_assets x_mitre_analytic_refs x_mitre_log_sources
    x_mitre_log_source_references x_mitre_mutable_elements
  `),
  objects: ["definition", "extensions"],
});

export const normalizeStixId = (text: string): string | undefined =>
  stixId.test(text.trim()) ? text.trim().toLowerCase() : undefined;

export const identifyStix = (raw: unknown): string | undefined =>
  isObject(raw) && typeof raw.id === "string" && stixId.test(raw.id) ? raw.id.toLowerCase() : undefined;

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** Marking definitions are never modified: their `created` is their version. */
export const versionOf = (raw: unknown): string | null =>
  isObject(raw) ? (textOf(raw.modified) ?? textOf(raw.created)) : null;

export function transformStix(raw: unknown): TransformedRecord {
  const { id, data } = checkRecord(raw, attackRecord, identifyStix);
  return { id, data, lastModified: versionOf(data), aliases: aliasesOf(data) };
}

/** ATT&CK ids: T1059.001, G0016, TA0001, … */
function aliasesOf({ external_references: references }: JsonObject): string[] {
  if (!Array.isArray(references)) return [];
  const aliases = new Set<string>();
  for (const reference of references) {
    if (!isObject(reference) || !aliasSources.has(String(reference.source_name))) continue;
    if (typeof reference.external_id === "string" && reference.external_id !== "") {
      aliases.add(reference.external_id);
    }
  }
  return [...aliases];
}

/** Who wrote an object and under which licence says nothing about it, and a collection's contents are all there is. */
const administrative = new Set(["created_by_ref", "object_marking_refs", "x_mitre_modified_by_ref"]);

/** A relationship is an edge between two other objects. Other objects name some directly, in `*_ref` and `*_refs`. */
export function linksOfStix(data: JsonObject): Link[] {
  const { source_ref, target_ref, relationship_type } = data;
  const [from, id] = [normalizeStixId(String(source_ref)), normalizeStixId(String(target_ref))];
  if (data.type === "relationship") {
    if (from === undefined || id === undefined) return [];
    return [{ provider: "attack", id, relation: textIn(relationship_type) ?? "related-to", from }];
  }
  const found: Link[] = [];
  for (const [relation, value] of Object.entries(data)) {
    if (!/_refs?$/.test(relation) || administrative.has(relation)) continue;
    for (const ref of [value].flat()) {
      const named = typeof ref === "string" ? normalizeStixId(ref) : undefined;
      if (named !== undefined) found.push({ provider: "attack", id: named, relation });
    }
  }
  for (const { source_name, external_id } of objectsIn(data.external_references)) {
    const pattern =
      source_name === "capec" ? /^CAPEC-0*(\d{1,9})$/i.exec(String(external_id))?.[1] : undefined;
    if (pattern !== undefined)
      found.push({ provider: "capec", id: `CAPEC-${pattern}`, relation: "external-reference" });
  }
  return found;
}

/** A relationship has no name: its type is one. */
export const labelOfStix = (data: JsonObject): string | undefined =>
  textIn(data.name) ?? textIn(data.relationship_type);

/** Times compare as times; unreadable ones are older than any. */
export const laterThan = (a: string | null, b: string | null): boolean =>
  (parseTime(a) ?? Number.NEGATIVE_INFINITY) > (parseTime(b) ?? Number.NEGATIVE_INFINITY);

/** Whom an ATT&CK id means: in force before revoked and deprecated, techniques first, then the newest. */
export function preferStix(candidates: JsonObject[]): JsonObject | undefined {
  const better = (a: JsonObject, b: JsonObject): boolean => {
    for (const lesser of [
      (o: JsonObject) => o.revoked === true,
      (o: JsonObject) => o.x_mitre_deprecated === true,
      (o: JsonObject) => o.type !== "attack-pattern",
    ]) {
      if (lesser(a) !== lesser(b)) return lesser(b);
    }
    return laterThan(versionOf(a), versionOf(b));
  };
  return candidates.reduce<JsonObject | undefined>(
    (best, candidate) => (best === undefined || better(candidate, best) ? candidate : best),
    undefined,
  );
}

/** `T1059.1` → `T1059.001`, `g16` → `G0016`; `text` is in capitals. */
export function nearAttackIds(text: string): string[] {
  const technique = /^T-*(\d{1,4})(?:[.-](\d{1,3}))?$/.exec(text);
  if (technique) {
    const [, number, sub] = technique as unknown as [string, string, string | undefined];
    const parent = `T${number.padStart(4, "0")}`;
    return sub ? [`${parent}.${sub.padStart(3, "0")}`, parent] : [parent];
  }
  const other = /^(TA|G|S|M|DS|C)-*(\d{1,4})$/.exec(text);
  if (other) return [`${other[1]}${other[2]!.padStart(4, "0")}`];
  return /^[A-Z-]+--[0-9A-F-]{36}$/.test(text) ? [text.toLowerCase()] : [];
}

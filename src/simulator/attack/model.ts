/**
 * Generated ATT&CK: STIX 2.1 objects of all types, in three domains that share some of them. A shared object may be
 * newer in one domain than in another; the true copy is the one with the greatest `modified`, and among equals that
 * of enterprise, then mobile.
 */
import type { JsonObject } from "../../core/json.ts";
import { mix, Random } from "../random.ts";
import { paragraph, products, vendors } from "../words.ts";

export const domains = ["enterprise", "mobile", "ics"] as const;
export type Domain = (typeof domains)[number];

const MITRE = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5";
const MARKING = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168";
/** Weight among 100 objects other than relationships, prefix of the ATT&CK id, and fields of the type. */
interface TypeOf {
  weight: number;
  prefix?: string;
  fields?: (random: Random, other: (salt: number) => string) => JsonObject;
}

const types: Readonly<Record<string, TypeOf>> = {
  "attack-pattern": {
    weight: 34,
    prefix: "T",
    fields: (random) => ({
      x_mitre_is_subtechnique: random.chance(0.5),
      x_mitre_platforms: ["Windows", "Linux"].slice(0, random.int(1, 2)),
      kill_chain_phases: [{ kill_chain_name: "mitre-attack", phase_name: "execution" }],
      ...(random.chance(0.3)
        ? { x_mitre_data_sources: ["Process: Process Creation"], x_mitre_contributors: ["Zoë 中"] }
        : {}),
    }),
  },
  malware: {
    weight: 18,
    prefix: "S",
    fields: (random) => ({
      is_family: true,
      x_mitre_aliases: [random.pick(vendors)],
      x_mitre_platforms: ["Windows"],
    }),
  },
  "course-of-action": { weight: 10, prefix: "M" },
  "intrusion-set": {
    weight: 8,
    prefix: "G",
    fields: (random) => ({ aliases: [random.pick(vendors), "APT 0"] }),
  },
  "x-mitre-data-component": { weight: 6, prefix: "DC" },
  tool: { weight: 5, prefix: "S" },
  campaign: {
    weight: 4,
    prefix: "C",
    fields: () => ({ first_seen: "2020-01-01T00:00:00.000Z", aliases: ["Operation X"] }),
  },
  "x-mitre-data-source": { weight: 3, prefix: "DS" },
  "x-mitre-detection-strategy": {
    weight: 3,
    prefix: "DET",
    fields: (_, other) => ({ x_mitre_analytic_refs: [other(0xb0)] }),
  },
  "x-mitre-analytic": {
    weight: 3,
    prefix: "AN",
    fields: (_, other) => ({
      x_mitre_log_source_references: [
        { x_mitre_data_component_ref: other(0xaf), name: "auditd", channel: "SYSCALL" },
      ],
      x_mitre_mutable_elements: [{ field: "TimeWindow", description: "tunable" }],
    }),
  },
  "x-mitre-asset": { weight: 2, prefix: "A" },
  "x-mitre-tactic": { weight: 2, prefix: "TA", fields: () => ({ x_mitre_shortname: "execution" }) },
  "x-mitre-matrix": { weight: 1, fields: (_, other) => ({ tactic_refs: [other(0xad), other(0xae)] }) },
  "x-mitre-log-source": {
    weight: 1,
    fields: () => ({ x_mitre_log_source_permutations: [{ name: "n", channel: null }] }),
  },
};
const typeNames = Object.keys(types);

/** Slots 0 and 1 are the identity and the marking that every domain repeats. */
const FIXED = 2;

export function typeOf(seed: number, slot: number): string {
  if (slot === 0) return "identity";
  if (slot === 1) return "marking-definition";
  // Small catalogues contain every type once before the random choice begins.
  if (slot < FIXED + typeNames.length) return typeNames[slot - FIXED]!;
  if (mix(seed, slot, 0xa0) % 100 < 70) return "relationship";
  let dice = mix(seed, slot, 0xa1) % 100;
  for (const [type, { weight }] of Object.entries(types)) {
    dice -= weight;
    if (dice < 0) return type;
  }
  return "attack-pattern";
}

export function stixId(seed: number, slot: number): string {
  if (slot === 0) return MITRE;
  if (slot === 1) return MARKING;
  return `${typeOf(seed, slot)}--${new Random(mix(seed, slot, 0xa2)).uuid()}`;
}

/** Most objects live in one domain; some are repeated in others. */
export function domainsOf(seed: number, slot: number): readonly Domain[] {
  if (slot < FIXED) return domains;
  const dice = mix(seed, slot, 0xa3) % 100;
  const home = dice < 70 ? "enterprise" : dice < 85 ? "mobile" : "ics";
  const shared = typeOf(seed, slot) !== "relationship" && mix(seed, slot, 0xa4) % 100 < 12;
  return shared
    ? home === "enterprise"
      ? ["enterprise", "ics"]
      : home === "mobile"
        ? ["enterprise", "mobile"]
        : domains
    : [home];
}

function attackId(seed: number, slot: number, type: string): string | undefined {
  const prefix = types[type]?.prefix;
  if (!prefix) return undefined;
  // Old mitigations carry the technique's own id.
  if (type === "course-of-action" && mix(seed, slot, 0xa5) % 5 === 0)
    return `T${1_000 + (mix(seed, slot, 0xa6) % 50)}`;
  const number =
    type === "attack-pattern" && mix(seed, slot, 0xa7) % 3 === 0
      ? 1_000 + (mix(seed, slot, 0xa6) % 50)
      : 1_050 + slot;
  const sub =
    type === "attack-pattern" && mix(seed, slot, 0xa8) % 2 === 0
      ? `.${String(1 + (slot % 20)).padStart(3, "0")}`
      : "";
  return `${prefix}${String(number).padStart(4, "0")}${sub}`;
}

/** The object in this domain. Editions differ in description and `modified`. */
export function makeStix(
  seed: number,
  slot: number,
  edition: number,
  domain: Domain,
  objects: number,
): JsonObject {
  const type = typeOf(seed, slot);
  const id = stixId(seed, slot);
  const random = new Random(mix(seed, slot, 0xa9));
  const created = new Date(
    Date.UTC(2017, 0, 1) + random.int(0, 2_000) * 86_400_000 + random.int(0, 86_399_999),
  ).toISOString();
  if (type === "marking-definition")
    return {
      type,
      spec_version: "2.1",
      id,
      created,
      definition_type: "statement",
      definition: { statement: `Copyright 2015-2026, edition ${edition}.` },
    };
  // In a third of the shared objects one domain lags behind.
  const lag = mix(seed, slot, 0xaa) % 3 === 0 && domain === domainsOf(seed, slot)[0] ? 86_400_000 : 0;
  const modified = new Date(
    Date.UTC(2024, 0, 1) + edition * 30 * 86_400_000 + random.int(0, 86_399_999) - lag,
  ).toISOString();
  const base: JsonObject = {
    type,
    spec_version: "2.1",
    id,
    created,
    modified,
    created_by_ref: MITRE,
    object_marking_refs: [MARKING],
    x_mitre_attack_spec_version: "3.3.0",
    x_mitre_domains: domainsOf(seed, slot).map((name) => `${name}-attack`),
  };
  if (type === "identity") return { ...base, name: "The MITRE Corporation", identity_class: "organization" };
  const text =
    paragraph(random, random.int(0, 3)) +
    (edition > 1 ? ` Edition ${edition}.` : "") +
    (lag ? " (older copy)" : "");
  const other = (salt: number): string =>
    stixId(seed, FIXED + (mix(seed, slot, salt) % Math.max(1, objects - FIXED)));
  if (type === "relationship")
    return {
      ...base,
      relationship_type: random.pick(["uses", "mitigates", "subtechnique-of", "detects", "revoked-by"]),
      source_ref: other(0xab),
      target_ref: other(0xac),
      description: random.chance(0.1) ? "" : text,
      x_mitre_deprecated: random.chance(0.05),
    };
  const external = attackId(seed, slot, type);
  return {
    ...base,
    name: `${random.pick(vendors)} ${random.pick(products)} ${slot}`,
    description: text,
    ...(external === undefined
      ? {}
      : {
          external_references: [
            {
              source_name: "mitre-attack",
              external_id: external,
              url: `https://attack.mitre.org/x/${external}`,
            },
            {
              source_name: "Blog",
              description: paragraph(random, 0),
              url: `https://blog.example/${random.hex(8)}`,
            },
          ],
        }),
    revoked: random.chance(0.06),
    ...(random.chance(0.6) ? { x_mitre_deprecated: random.chance(0.08) } : {}),
    x_mitre_version: `${random.int(1, 3)}.${random.int(0, 9)}`,
    ...types[type]?.fields?.(random, other),
  };
}

/**
 * Generated ATT&CK: STIX 2.1 objects of all types, out of a fixture, in three domains that share some of them. A shared object
 * may be newer in one domain than in another; the true copy is the one with the greatest `modified`, and among equals that of
 * enterprise, then mobile.
 */
import type { JsonObject } from "../../core/json.ts";
import { fixture } from "../fixtures.ts";
import { mix, Random } from "../random.ts";

export const domains = ["enterprise", "mobile", "ics"] as const;
export type Domain = (typeof domains)[number];

interface Template {
  /** Among 100 objects other than relationships; absent for those that are placed otherwise. */
  weight?: number;
  /** Prefix of the ATT&CK id; absent: none. */
  prefix?: string;
  object: JsonObject & { type: string };
}

const templates = fixture<Template>("attack");
/** Slots 0 and 1 are the identity and the marking that every domain repeats. */
const fixed = templates.slice(0, 2);
const fixedIds = [
  "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5",
  "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168",
];
const drawn = templates.flatMap((one) => new Array<Template>(one.weight ?? 0).fill(one));
const once = [...new Set(drawn)];
const relationships = templates.filter(({ object }) => object.type === "relationship");

function templateOf(seed: number, slot: number): Template {
  // Small catalogues contain every kind once before the random choice begins.
  const placed = fixed[slot] ?? once[slot - fixed.length];
  if (placed) return placed;
  const dice = mix(seed, slot, 0xa0);
  if (dice % 100 < 70) return relationships[(dice >>> 8) % relationships.length]!;
  return drawn[mix(seed, slot, 0xa1) % drawn.length]!;
}

export const typeOf = (seed: number, slot: number): string => templateOf(seed, slot).object.type;

export const stixId = (seed: number, slot: number): string =>
  fixedIds[slot] ?? `${typeOf(seed, slot)}--${new Random(mix(seed, slot, 0xa2)).uuid()}`;

/** Most objects live in one domain; some are repeated in others. */
export function domainsOf(seed: number, slot: number): readonly Domain[] {
  if (slot < fixed.length) return domains;
  const dice = mix(seed, slot, 0xa3) % 100;
  const home = dice < 70 ? "enterprise" : dice < 85 ? "mobile" : "ics";
  const shared = typeOf(seed, slot) !== "relationship" && mix(seed, slot, 0xa4) % 100 < 12;
  if (!shared) return [home];
  return home === "enterprise"
    ? ["enterprise", "ics"]
    : home === "mobile"
      ? ["enterprise", "mobile"]
      : domains;
}

/** Some techniques share an id, and old mitigations have the id of a technique. */
function attackId(seed: number, slot: number, { prefix, object }: Template): string {
  const dice = mix(seed, slot, 0xa5);
  const technique = 1_000 + (mix(seed, slot, 0xa6) % 50);
  if (object.type === "course-of-action" && dice % 5 === 0) return `T${technique}`;
  if (object.type !== "attack-pattern") return `${prefix}${String(1_050 + slot).padStart(4, "0")}`;
  const sub = object.x_mitre_is_subtechnique ? `.${String(1 + (slot % 20)).padStart(3, "0")}` : "";
  return `T${dice % 3 === 0 ? technique : 1_050 + slot}${sub}`;
}

/** The object in this domain. Editions differ in one text and `modified`. */
export function makeStix(
  seed: number,
  slot: number,
  edition: number,
  domain: Domain,
  objects: number,
): JsonObject {
  const template = templateOf(seed, slot);
  const random = new Random(mix(seed, slot, 0xa9));
  const own = domainsOf(seed, slot);
  // In a third of the shared objects one domain lags behind.
  const lag = mix(seed, slot, 0xaa) % 3 === 0 && domain === own[0] ? 86_400_000 : 0;
  const time = (from: number, days: number): string =>
    new Date(from + days * 86_400_000 + random.int(0, 86_399_999)).toISOString();
  const other = (salt: number): string =>
    stixId(seed, fixed.length + (mix(seed, slot, salt) % Math.max(1, objects - fixed.length)));
  const values: Record<string, string> = {
    ID: stixId(seed, slot),
    CREATED: time(Date.UTC(2017, 0, 1), random.int(0, 2_000)),
    MODIFIED: time(Date.UTC(2024, 0, 1) - lag, edition * 30),
    DOMAINS: own.map((name) => `${name}-attack`).join('","'),
    SLOT: String(slot),
    EXT: attackId(seed, slot, template),
    REF1: other(0xab),
    REF2: other(0xac),
    EDITION: (edition > 1 ? ` Edition ${edition}.` : "") + (lag ? " (older copy)" : ""),
  };
  const text = JSON.stringify(template.object).replace(
    /\{([A-Z]+\d?)\}/g,
    (_, name: string) => values[name]!,
  );
  const object = JSON.parse(text) as JsonObject;
  if ("revoked" in object) object.revoked = random.chance(0.06);
  if ("x_mitre_deprecated" in object) object.x_mitre_deprecated = random.chance(0.08);
  return object;
}

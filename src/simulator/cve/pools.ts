/**
 * Pools of ready-made fields as bytes. A generated record is a handful of fragments and a few short strings of its own, so
 * a page of 2,000 costs little more than copying its bytes. Enumerated values are those of NVD's schema; sizes follow the
 * real feed (about 4 KB a record).
 */
import type { JsonObject } from "../../core/json.ts";
import { bySeed, Random } from "../random.ts";
import { paragraph, products, spanishParagraph, vendors } from "../words.ts";

/** A field or more: as JSON text that ends in a comma (empty where NVD leaves the field out), and parsed. */
export interface Fragment {
  readonly bytes: Buffer;
  readonly value: JsonObject;
}

const poolSizes = {
  tags: 4,
  descriptions: 400,
  affected: 120,
  metrics: 160,
  weaknesses: 80,
  configurations: 240,
  extras: 24,
  references: 240,
} as const;
export type PoolName = keyof typeof poolSizes;
export type Pools = Record<PoolName, readonly Fragment[]>;

export const CISA_ADP = "134c704f-9b21-4f2e-91b3-4a467353bcc0";
const NVD = "nvd@nist.gov";
export const sources = ["cve@mitre.org", "security@example.org", "cna@example.net", "audit@patchstack.com"];

/** Letters of a CVSS vector → the field of cvssData and what each value letter is called there. */
type Metric = [letters: string, field: string, values: Record<string, string>];
const none = { N: "NONE", L: "LOW", H: "HIGH" };
const impacts = (letters: readonly string[], fields: readonly string[], values: object): Metric[] =>
  letters.map((letter, i) => [letter, fields[i]!, values as Record<string, string>]);

const v2: Metric[] = [
  ["AV", "accessVector", { N: "NETWORK", A: "ADJACENT_NETWORK", L: "LOCAL" }],
  ["AC", "accessComplexity", { L: "LOW", M: "MEDIUM", H: "HIGH" }],
  ["Au", "authentication", { N: "NONE", S: "SINGLE", M: "MULTIPLE" }],
  ...impacts(["C", "I", "A"], ["confidentialityImpact", "integrityImpact", "availabilityImpact"], {
    N: "NONE",
    P: "PARTIAL",
    C: "COMPLETE",
  }),
];
const v3: Metric[] = [
  ["AV", "attackVector", { N: "NETWORK", A: "ADJACENT_NETWORK", L: "LOCAL", P: "PHYSICAL" }],
  ["AC", "attackComplexity", { L: "LOW", H: "HIGH" }],
  ["PR", "privilegesRequired", none],
  ["UI", "userInteraction", { N: "NONE", R: "REQUIRED" }],
  ["S", "scope", { U: "UNCHANGED", C: "CHANGED" }],
  ...impacts(["C", "I", "A"], ["confidentialityImpact", "integrityImpact", "availabilityImpact"], none),
];
const X = { X: "NOT_DEFINED" };
const v4: Metric[] = [
  ["AV", "attackVector", { N: "NETWORK", A: "ADJACENT", L: "LOCAL", P: "PHYSICAL" }],
  ["AC", "attackComplexity", { L: "LOW", H: "HIGH" }],
  ["AT", "attackRequirements", { N: "NONE", P: "PRESENT" }],
  ["PR", "privilegesRequired", none],
  ["UI", "userInteraction", { N: "NONE", P: "PASSIVE", A: "ACTIVE" }],
  ...["vuln", "sub"].flatMap((where) =>
    impacts(
      ["C", "I", "A"].map((what) => `${where === "vuln" ? "V" : "S"}${what}`),
      ["Confidentiality", "Integrity", "Availability"].map((what) => `${where}${what}Impact`),
      none,
    ),
  ),
  ["E", "exploitMaturity", { ...X, U: "UNREPORTED", P: "PROOF_OF_CONCEPT", A: "ATTACKED" }],
  ["CR", "confidentialityRequirement", X],
  ["IR", "integrityRequirement", X],
  ["AR", "availabilityRequirement", X],
  ["MAV", "modifiedAttackVector", X],
  ["MAC", "modifiedAttackComplexity", X],
  ["MAT", "modifiedAttackRequirements", X],
  ["MPR", "modifiedPrivilegesRequired", X],
  ["MUI", "modifiedUserInteraction", X],
  ["MVC", "modifiedVulnConfidentialityImpact", X],
  ["MVI", "modifiedVulnIntegrityImpact", X],
  ["MVA", "modifiedVulnAvailabilityImpact", X],
  ["MSC", "modifiedSubConfidentialityImpact", X],
  ["MSI", "modifiedSubIntegrityImpact", X],
  ["MSA", "modifiedSubAvailabilityImpact", X],
  ["S", "Safety", { ...X, N: "NEGLIGIBLE", P: "PRESENT" }],
  ["AU", "Automatable", { ...X, N: "NO", Y: "YES" }],
  ["R", "Recovery", { ...X, A: "AUTOMATIC", U: "USER", I: "IRRECOVERABLE" }],
  ["V", "valueDensity", { ...X, D: "DIFFUSE", C: "CONCENTRATED" }],
  ["RE", "vulnerabilityResponseEffort", { ...X, L: "LOW", M: "MODERATE", H: "HIGH" }],
  ["U", "providerUrgency", { ...X, Clear: "CLEAR", Green: "GREEN", Amber: "AMBER", Red: "RED" }],
];

const severity = (score: number): string =>
  score === 0 ? "NONE" : score < 4 ? "LOW" : score < 7 ? "MEDIUM" : score < 9 ? "HIGH" : "CRITICAL";
const tenth = (random: Random, from: number, to: number): number => random.int(from * 10, to * 10) / 10;

/** cvssData: the vector and the fields that it stands for. */
function cvssData(random: Random, version: string, table: readonly Metric[], score: number): JsonObject {
  const chosen = table.map(([letters, field, values]) => {
    const value = random.pick(Object.keys(values));
    return { vector: `${letters}:${value}`, field, name: values[value] as string };
  });
  const vector = chosen.map((one) => one.vector).join("/");
  return {
    version,
    vectorString: version === "2.0" ? vector : `CVSS:${version}/${vector}`,
    baseScore: score,
    ...(version === "2.0" ? {} : { baseSeverity: severity(score) }),
    ...Object.fromEntries(chosen.map(({ field, name }) => [field, name])),
  };
}

const subScores = (random: Random): JsonObject => ({
  exploitabilityScore: tenth(random, 1, 3),
  impactScore: tenth(random, 2, 6),
});

function metricV2(random: Random): JsonObject {
  const score = tenth(random, 1, 10);
  return {
    source: NVD,
    type: "Primary",
    cvssData: cvssData(random, "2.0", v2, score),
    baseSeverity: score < 4 ? "LOW" : score < 7 ? "MEDIUM" : "HIGH",
    ...subScores(random),
    acInsufInfo: random.chance(0.1),
    obtainAllPrivilege: random.chance(0.1),
    obtainUserPrivilege: false,
    obtainOtherPrivilege: false,
    userInteractionRequired: random.chance(0.4),
  };
}

const metricV3 = (random: Random, version: string, type: "Primary" | "Secondary"): JsonObject => ({
  source: type === "Primary" ? NVD : random.pick(sources),
  type,
  cvssData: cvssData(random, version, v3, tenth(random, 1, 10)),
  ...subScores(random),
});

const metricV4 = (random: Random): JsonObject => ({
  source: random.pick(sources),
  type: "Secondary",
  cvssData: cvssData(random, "4.0", v4, tenth(random, 1, 10)),
});

/** The inside of `metrics`, where SSVC joins it. */
function metrics(random: Random): JsonObject {
  const dice = random.next();
  if (dice < 0.04) return {};
  return {
    ...(dice > 0.9 ? { cvssMetricV40: [metricV4(random)] } : {}),
    ...(dice > 0.35
      ? {
          cvssMetricV31: [
            metricV3(random, "3.1", "Primary"),
            ...(random.chance(0.4) ? [metricV3(random, "3.1", "Secondary")] : []),
          ],
        }
      : dice > 0.25
        ? { cvssMetricV30: [metricV3(random, "3.0", "Primary")] }
        : {}),
    ...(dice < 0.7 ? { cvssMetricV2: [metricV2(random)] } : {}),
  };
}

function weaknesses(random: Random): JsonObject {
  if (random.chance(0.04)) return {};
  const known = ["CWE-79", "CWE-89", "CWE-119", "CWE-787", "CWE-20", "NVD-CWE-noinfo", "NVD-CWE-Other"];
  const one = (source: string, type: string, value: string): JsonObject => ({
    source,
    type,
    description: [{ lang: "en", value }],
  });
  const list = [one(NVD, "Primary", random.pick(known))];
  if (random.chance(0.5)) list.push(one(random.pick(sources), "Secondary", `CWE-${random.int(5, 1400)}`));
  return { weaknesses: list };
}

const version = (random: Random): string => `${random.int(0, 12)}.${random.int(0, 20)}.${random.int(0, 40)}`;

export function cpeMatch(random: Random): JsonObject {
  const number = version(random);
  const ranged = random.chance(0.3);
  return {
    vulnerable: random.chance(0.9),
    criteria: `cpe:2.3:${random.pick(["a", "o", "h"])}:${random.pick(vendors)}:${random.pick(products)}:${ranged ? "*" : number}:*:*:*:*:*:*:*`,
    ...(ranged ? { versionStartIncluding: "1.0", versionEndExcluding: `13.${number}` } : {}),
    matchCriteriaId: random.uuid().toUpperCase(),
  };
}

function configurations(random: Random): JsonObject {
  if (random.chance(0.08)) return {};
  const node = (count: number): JsonObject => ({
    operator: "OR",
    negate: false,
    cpeMatch: Array.from({ length: count }, () => cpeMatch(random)),
  });
  const list: JsonObject[] = [{ nodes: [node(random.skewed(7, 90))] }];
  if (random.chance(0.1))
    list.push({ operator: "AND", nodes: [node(random.int(1, 4)), node(random.int(1, 4))] });
  return { configurations: list };
}

/** On most records since June 2026: what the CNA said is affected. */
function affected(random: Random): JsonObject {
  if (random.chance(0.06)) return {};
  const product = (): JsonObject => ({
    vendor: random.pick(vendors),
    product: random.pick(products),
    defaultStatus: random.pick(["unaffected", "affected", "unknown"]),
    versions: Array.from({ length: random.int(1, 2) }, () => ({
      version: version(random),
      ...(random.chance(0.6) ? { lessThan: version(random), versionType: "semver" } : {}),
      status: "affected",
    })),
  });
  const affectedData = Array.from({ length: random.int(1, 2) }, product);
  return { affected: [{ source: random.pick(sources), affectedData }] };
}

/** All but the first, which names the record. */
function references(random: Random): JsonObject {
  const tags = ["Patch", "Third Party Advisory", "Exploit", "Vendor Advisory", "US Government Resource"];
  const list = Array.from({ length: random.skewed(3, 40) }, () => ({
    url: `https://${random.pick(vendors)}.example/${random.pick(["advisories", "bulletins", "commit"])}/${random.hex(10)}`,
    source: random.pick(sources),
    ...(random.chance(0.4) ? { tags: [random.pick(tags)] } : {}),
  }));
  // The same addresses under a second source, as NVD has them since 2025: (cve, url) is no key.
  const again = list.map((one) => ({ ...one, source: "af854a3a-2127-422b-91ae-364da2661108" }));
  return { references: random.chance(0.3) ? [...list, ...again] : list };
}

function extras(random: Random): JsonObject {
  const dice = random.next();
  if (dice < 0.75) return {};
  if (dice < 0.85) return { evaluatorComment: paragraph(random, 0) };
  if (dice < 0.92) return { evaluatorSolution: paragraph(random, 0) };
  const lastModified = `20${random.int(10, 24)}-03-11T00:00:00`;
  return { vendorComments: [{ organization: "Red Hat", comment: paragraph(random, 1), lastModified }] };
}

const tagNames = ["disputed", "unsupported-when-assigned", "exclusively-hosted-service"];

const makers: Record<PoolName, (random: Random, index: number) => JsonObject> = {
  // The first is that of most records.
  tags: (random, index) => ({
    cveTags: index === 0 ? [] : [{ sourceIdentifier: random.pick(sources), tags: [tagNames[index - 1]] }],
  }),
  descriptions: (random) => ({
    descriptions: [
      { lang: "en", value: paragraph(random, random.int(0, 5)) },
      ...(random.chance(0.7) ? [{ lang: "es", value: spanishParagraph(random, random.int(0, 3)) }] : []),
    ],
  }),
  affected,
  metrics,
  weaknesses,
  configurations,
  extras,
  references,
};

/** Different fragments: two editions of a field must never be equal by chance. */
function pool(name: PoolName, random: Random): Fragment[] {
  const texts = new Map<string, JsonObject>();
  for (let tries = 0; texts.size < poolSizes[name] && tries < poolSizes[name] * 20; tries++) {
    const value = makers[name](random, texts.size);
    const text = JSON.stringify(value).slice(1, -1);
    texts.set(text === "" || name === "metrics" || name === "references" ? text : `${text},`, value);
  }
  return [...texts].map(([text, value]) => ({ bytes: Buffer.from(text), value }));
}

export const makePools = bySeed((seed): Pools => {
  const random = new Random(seed ^ 0x9001);
  const names = Object.keys(poolSizes) as PoolName[];
  return Object.fromEntries(names.map((name) => [name, pool(name, random)])) as unknown as Pools;
});

/**
 * Pools of ready-made JSON fragments, as bytes. A generated record is a handful of fragments and two short strings of its
 * own, so a page of 2,000 costs little more than copying its bytes. Sizes follow the real feed (4.1 KB on average).
 */
import { bySeed, Random } from "../random.ts";
import { paragraph, products, spanishParagraph, vendors } from "../words.ts";

export interface Pools {
  /** Each fragment ends in a comma, or is empty where the real feed leaves the field out. */
  descriptions: Buffer[];
  metrics: Buffer[];
  weaknesses: Buffer[];
  configurations: Buffer[];
  /** Further references: each starts with a comma. */
  references: Buffer[];
  /** Fields that came later or are rare. */
  extras: Buffer[];
}

const levels = ["NONE", "LOW", "HIGH"] as const;
const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
const field = (name: string, value: unknown): string => `${JSON.stringify(name)}:${JSON.stringify(value)},`;

/** `count` different fragments: two editions of a field must never be equal by chance. */
function pool(count: number, make: () => string): Buffer[] {
  const texts = new Set<string>();
  for (let tries = 0; texts.size < count && tries < count * 20; tries++) texts.add(make());
  return [...texts].map(bytes);
}

const severity = (score: number): string =>
  score === 0 ? "NONE" : score < 4 ? "LOW" : score < 7 ? "MEDIUM" : score < 9 ? "HIGH" : "CRITICAL";

function metricV2(random: Random): object {
  const score = random.int(10, 100) / 10;
  return {
    source: "nvd@nist.gov",
    type: "Primary",
    cvssData: {
      version: "2.0",
      vectorString: "AV:N/AC:M/Au:N/C:P/I:P/A:P",
      baseScore: score,
      accessVector: random.pick(["NETWORK", "LOCAL", "ADJACENT_NETWORK"]),
      accessComplexity: random.pick(["LOW", "MEDIUM", "HIGH"]),
      authentication: random.pick(["NONE", "SINGLE"]),
      confidentialityImpact: random.pick(["NONE", "PARTIAL", "COMPLETE"]),
      integrityImpact: random.pick(["NONE", "PARTIAL", "COMPLETE"]),
      availabilityImpact: random.pick(["NONE", "PARTIAL", "COMPLETE"]),
    },
    baseSeverity: random.pick(["LOW", "MEDIUM", "HIGH"]),
    exploitabilityScore: random.int(10, 100) / 10,
    impactScore: random.int(29, 100) / 10,
    acInsufInfo: random.chance(0.1),
    obtainAllPrivilege: random.chance(0.1),
    obtainUserPrivilege: false,
    obtainOtherPrivilege: false,
    userInteractionRequired: random.chance(0.4),
  };
}

function metricV3(random: Random, version: "3.0" | "3.1", type: string): object {
  const score = random.int(20, 100) / 10;
  return {
    source: type === "Primary" ? "nvd@nist.gov" : "134c704f-9b21-4f2e-91b3-4a467353bcc0",
    type,
    cvssData: {
      version,
      vectorString: `CVSS:${version}/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`,
      baseScore: score,
      baseSeverity: severity(score),
      attackVector: random.pick(["NETWORK", "LOCAL", "ADJACENT_NETWORK", "PHYSICAL"]),
      attackComplexity: random.pick(["LOW", "HIGH"]),
      privilegesRequired: random.pick(levels),
      userInteraction: random.pick(["NONE", "REQUIRED"]),
      scope: random.pick(["UNCHANGED", "CHANGED"]),
      confidentialityImpact: random.pick(levels),
      integrityImpact: random.pick(levels),
      availabilityImpact: random.pick(levels),
    },
    exploitabilityScore: random.int(5, 39) / 10,
    impactScore: random.int(14, 60) / 10,
  };
}

/** CVSS 4.0 as it first appeared: field names and enum values that the published schema did not have. */
function metricV4(random: Random): object {
  const score = random.int(20, 100) / 10;
  return {
    source: "security@example.org",
    type: "Secondary",
    cvssData: {
      version: "4.0",
      vectorString: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:P",
      baseScore: score,
      baseSeverity: severity(score),
      attackVector: "NETWORK",
      attackRequirements: random.pick(["NONE", "PRESENT"]),
      vulnerableSystemConfidentiality: random.pick(levels),
      vulnerableSystemIntegrity: random.pick(levels),
      vulnerableSystemAvailability: random.pick(levels),
      exploitMaturity: random.pick(["PROOF-OF-CONCEPT", "PROOF_OF_CONCEPT", "NOT_DEFINED"]),
      Safety: random.pick(["SAFETY", "NOT_DEFINED"]),
      providerUrgency: "NOT_DEFINED",
    },
  };
}

function metrics(random: Random): string {
  const dice = random.next();
  if (dice < 0.04) return '"metrics":{},';
  const value: Record<string, unknown> = {};
  if (dice > 0.9) value.cvssMetricV40 = [metricV4(random)];
  if (dice > 0.35) {
    value.cvssMetricV31 = [metricV3(random, "3.1", "Primary")];
    if (random.chance(0.4)) (value.cvssMetricV31 as object[]).push(metricV3(random, "3.1", "Secondary"));
  } else if (dice > 0.25) value.cvssMetricV30 = [metricV3(random, "3.0", "Primary")];
  if (dice < 0.7) value.cvssMetricV2 = [metricV2(random)];
  return field("metrics", value);
}

function weaknesses(random: Random): string {
  if (random.chance(0.04)) return "";
  const cwe = random.pick([
    "CWE-79",
    "CWE-89",
    "CWE-119",
    "CWE-787",
    "CWE-20",
    "NVD-CWE-noinfo",
    "NVD-CWE-Other",
  ]);
  const one = (source: string, type: string, value: string) => ({
    source,
    type,
    description: [{ lang: "en", value }],
  });
  const list = [one("nvd@nist.gov", "Primary", cwe)];
  if (random.chance(0.3)) list.push(one(`${random.pick(vendors)}@example.org`, "Secondary", cwe));
  if (random.chance(0.3)) list.push(one("cna@example.net", "Secondary", `CWE-${random.int(5, 1400)}`));
  return field("weaknesses", list);
}

export function cpeMatch(random: Random): object {
  const version = `${random.int(0, 12)}.${random.int(0, 20)}.${random.int(0, 40)}`;
  const ranged = random.chance(0.3);
  return {
    vulnerable: random.chance(0.9),
    criteria: `cpe:2.3:${random.pick(["a", "o", "h"])}:${random.pick(vendors)}:${random.pick(products)}:${ranged ? "*" : version}:*:*:*:*:*:*:*`,
    ...(ranged ? { versionStartIncluding: "1.0", versionEndExcluding: version } : {}),
    matchCriteriaId: random.uuid().toUpperCase(),
  };
}

function configurations(random: Random): string {
  if (random.chance(0.08)) return "";
  const nodes = (count: number) => [
    {
      operator: "OR",
      negate: false,
      cpeMatch: Array.from({ length: count }, () => cpeMatch(random)),
    },
  ];
  const list: object[] = [{ nodes: nodes(random.skewed(8, 90)) }];
  if (random.chance(0.1))
    list.push({ operator: "AND", nodes: [...nodes(random.int(1, 4)), ...nodes(random.int(1, 4))] });
  return field("configurations", list);
}

function references(random: Random): string {
  const list: object[] = [];
  for (let n = random.skewed(4, 40); n > 1; n--) {
    list.push({
      url: `https://${random.pick(vendors)}.example/${random.pick(["advisories", "bulletins", "commit"])}/${random.hex(10)}`,
      source: random.pick(["cve@mitre.org", "security@example.org", "cna@example.net"]),
      ...(random.chance(0.4) ? { tags: [random.pick(["Patch", "Third Party Advisory", "Exploit"])] } : {}),
    });
  }
  if (random.chance(0.3)) {
    // The same addresses under a second source, as NVD has them since 2025: (cve, url) is no key.
    for (const reference of [...list])
      list.push({ ...reference, source: "af854a3a-2127-422b-91ae-364da2661108" });
  }
  return list.map((reference) => `,${JSON.stringify(reference)}`).join("");
}

function extras(random: Random): string {
  const dice = random.next();
  if (dice < 0.7) return "";
  if (dice < 0.78)
    return field("vendorComments", [
      {
        organization: "Red Hat",
        comment: paragraph(random, 1),
        lastModified: `20${random.int(10, 24)}-03-11T00:00:00`,
      },
    ]);
  if (dice < 0.86) return field("evaluatorComment", paragraph(random, 0));
  if (dice < 0.93) return field("evaluatorSolution", null);
  return field("affected", [
    {
      source: "cna@example.net",
      affectedData: [{ vendor: random.pick(vendors), product: "p", versions: [{ version: "0" }] }],
    },
  ]);
}

export const makePools = bySeed((seed): Pools => {
  const random = new Random(seed ^ 0x9001);
  const description = () =>
    field("descriptions", [
      { lang: "en", value: paragraph(random, random.int(0, 5)) },
      ...(random.chance(0.7) ? [{ lang: "es", value: spanishParagraph(random, random.int(0, 3)) }] : []),
    ]);
  return {
    descriptions: pool(400, description),
    metrics: pool(160, () => metrics(random)),
    weaknesses: pool(80, () => weaknesses(random)),
    configurations: pool(240, () => configurations(random)),
    references: pool(240, () => references(random)),
    extras: pool(48, () => extras(random)),
  };
});

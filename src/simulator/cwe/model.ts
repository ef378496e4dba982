/** Generated weaknesses, categories and views, before they become XML or JSON. */
import { mix, Random } from "../random.ts";
import { type Block, blocks, prose } from "../snapshot/prose.ts";
import { products, sentence, vendors } from "../words.ts";

export interface Relation {
  nature: string;
  cwe: string;
  view: string;
  ordinal?: string;
}

export interface HistoryEvent {
  kind: "Submission" | "Modification" | "Contribution";
  name: string;
  organization?: string;
  date: string;
  comment?: string;
}

interface Common {
  number: string;
  name: string;
  status: string;
  usage: string;
  history: HistoryEvent[];
  previousNames: { date: string; name: string }[];
}

export interface Weakness extends Common {
  kind: "weakness";
  abstraction: string;
  structure: string;
  description: string;
  extended?: Block[];
  relations: Relation[];
  platforms: {
    type: "Language" | "Operating_System" | "Technology";
    name?: string;
    class?: string;
    prevalence: string;
  }[];
  terms: { term: string; description: string }[];
  modes: { phase: string; note?: Block[] }[];
  likelihood?: string;
  consequences: { scopes: string[]; impacts: string[]; note?: string }[];
  detections: { id?: string; method: string; description: Block[] | string; effectiveness?: string }[];
  mitigations: { phases: string[]; strategy?: string; description: Block[] | string }[];
  examples: { intro: string; nature: string; language: string; code: Block[]; body: string }[];
  observed: { reference: string; description: string; link: string }[];
  areas: string[];
  attackPatterns: string[];
  taxonomies: { name: string; entry: string; id?: string; fit?: string }[];
  references: { id: string; section?: string }[];
  notes: { type: string; note: Block[] | string }[];
}

export interface Category extends Common {
  kind: "category";
  summary: string;
  members: { cwe: string; view: string }[];
}

export interface View extends Common {
  kind: "view";
  type: string;
  objective: Block[] | string;
  audience: { type: string; description: string }[];
  members: { cwe: string; view: string }[];
  filter?: string;
}

export type CweEntry = Weakness | Category | View;

/** One number space for all three kinds, with gaps. */
export const cweNumber = (seed: number, slot: number): number => 1 + slot * 3 + (mix(seed, slot, 0xc3e) % 3);

export function cweKind(seed: number, slot: number): CweEntry["kind"] {
  // The first three are one of each, so that even the smallest catalogue has all kinds.
  const dice = slot < 3 ? slot * 10 : mix(seed, slot, 0xc3f) % 24;
  return dice < 16
    ? slot < 3 && slot > 0
      ? "category"
      : "weakness"
    : dice < 23 && slot !== 2
      ? "category"
      : "view";
}

const some = <T>(random: Random, from: number, to: number, make: () => T): T[] =>
  Array.from({ length: random.int(from, to) }, make);

const phases = ["Architecture and Design", "Implementation", "Operation", "System Configuration"] as const;
const scopes = ["Confidentiality", "Integrity", "Availability", "Access Control", "Other"] as const;
const impacts = [
  "Read Application Data",
  "Modify Memory",
  "DoS: Crash, Exit, or Restart",
  "Bypass Protection Mechanism",
] as const;

function common(random: Random, number: number, edition: number): Common {
  const history: HistoryEvent[] = [
    { kind: "Submission", name: "PLOVER", date: "2006-07-19" },
    ...some(
      random,
      0,
      4,
      (): HistoryEvent => ({
        kind: random.chance(0.15) ? "Contribution" : "Modification",
        name: "CWE Content Team",
        organization: "MITRE",
        date: `20${random.int(10, 24)}-0${random.int(1, 9)}-1${random.int(0, 9)}`,
        comment: "updated Relationships, Common_Consequences",
      }),
    ),
  ];
  for (let e = 2; e <= edition; e++)
    history.push({
      kind: "Modification",
      name: "CWE Content Team",
      organization: "MITRE",
      date: "2026-01-15",
      comment: `updated Description, edition ${e}`,
    });
  return {
    number: String(number),
    name: `${random.chance(0.05) ? "DEPRECATED: " : ""}Improper Handling of ${random.pick(vendors)} '${random.pick(products)}' <${number}> & more`,
    status: random.pick(["Draft", "Stable", "Incomplete", "Deprecated"]),
    usage: random.pick(["Allowed", "Discouraged", "Prohibited"]),
    history,
    previousNames: some(random, 0, 2, () => ({ date: "2008-04-11", name: sentence(random).slice(0, 40) })),
  };
}

const rich = (random: Random): Block[] | string => (random.chance(0.5) ? blocks(random) : prose(random));

/** The same (seed, slot, edition) is the same entry; editions differ in description and history. */
export function makeCwe(seed: number, slot: number, edition: number): CweEntry {
  const random = new Random(mix(seed, slot, 0xc40));
  const shared = common(random, cweNumber(seed, slot), edition);
  const member = () => ({ cwe: String(random.int(1, 1_400)), view: random.pick(["699", "1000", "1003"]) });
  const revised = edition > 1 ? ` Revised in edition ${edition}.` : "";
  switch (cweKind(seed, slot)) {
    case "category":
      return {
        kind: "category",
        ...shared,
        summary: prose(random) + revised,
        members: some(random, 0, 5, member),
      };
    case "view":
      return {
        kind: "view",
        ...shared,
        type: random.pick(["Graph", "Explicit", "Implicit"]),
        objective: edition > 1 ? prose(random) + revised : rich(random),
        audience: some(random, 0, 3, () => ({ type: "Software Developers", description: prose(random) })),
        members: some(random, 0, 4, member),
        ...(random.chance(0.4)
          ? { filter: "/Weakness_Catalog/Weaknesses/Weakness[@Status='Deprecated']" }
          : {}),
      };
    default:
      return weakness(random, shared, revised);
  }
}

function weakness(random: Random, shared: Common, revised: string): Weakness {
  return {
    kind: "weakness",
    ...shared,
    abstraction: random.pick(["Base", "Variant", "Class", "Pillar"]),
    structure: random.pick(["Simple", "Composite", "Chain"]),
    description: prose(random) + revised,
    ...(random.chance(0.7) ? { extended: blocks(random) } : {}),
    relations: some(random, 0, 3, () => ({
      nature: random.pick(["ChildOf", "PeerOf", "CanPrecede"]),
      cwe: String(random.int(1, 1_400)),
      view: "1000",
      ...(random.chance(0.5) ? { ordinal: "Primary" } : {}),
    })),
    platforms: some(random, 0, 4, () => ({
      type: random.pick(["Language", "Operating_System", "Technology"]),
      ...(random.chance(0.5)
        ? { name: random.pick(["C", "C++", "Java", "PHP"]) }
        : { class: "Not Language-Specific" }),
      prevalence: random.pick(["Often", "Undetermined"]),
    })),
    terms: some(random, 0, 1, () => ({ term: "XSS", description: prose(random) })),
    modes: some(random, 1, 3, () => ({
      phase: random.pick(phases),
      ...(random.chance(0.5) ? { note: blocks(random) } : {}),
    })),
    ...(random.chance(0.3) ? { likelihood: random.pick(["High", "Medium", "Low"]) } : {}),
    consequences: some(random, 1, 3, () => ({
      scopes: some(random, 1, 3, () => random.pick(scopes)),
      impacts: some(random, 1, 2, () => random.pick(impacts)),
      ...(random.chance(0.5) ? { note: prose(random) } : {}),
    })),
    detections: some(random, 0, 2, () => ({
      ...(random.chance(0.5) ? { id: `DM-${random.int(1, 20)}` } : {}),
      method: "Automated Static Analysis",
      description: rich(random),
      ...(random.chance(0.5) ? { effectiveness: "Moderate" } : {}),
    })),
    mitigations: some(random, 0, 3, () => ({
      phases: some(random, 1, 2, () => random.pick(phases)),
      ...(random.chance(0.3) ? { strategy: "Input Validation" } : {}),
      description: rich(random),
    })),
    examples: some(random, 0, 2, () => ({
      intro: prose(random),
      nature: random.pick(["Bad", "Good"]),
      language: random.pick(["C", "Java", "PHP"]),
      code: [{ code: "char buf[10];\nstrcpy(buf, argv[1]); // a < b && c" }],
      body: prose(random),
    })),
    observed: some(random, 0, 3, () => ({
      reference: `CVE-20${random.int(10, 24)}-${random.int(1_000, 9_999)}`,
      description: sentence(random),
      link: `https://www.cve.org/CVERecord?id=CVE-2020-${random.int(1_000, 9_999)}&x=1`,
    })),
    areas: some(random, 0, 2, () => random.pick(["Cryptography", "Memory Management", "Authentication"])),
    attackPatterns: some(random, 0, 3, () => String(random.int(1, 700))),
    taxonomies: some(random, 0, 2, () => ({
      name: random.pick(["PLOVER", "CERT C Secure Coding"]),
      entry: sentence(random).slice(0, 50),
      ...(random.chance(0.5) ? { id: `ARR${random.int(10, 40)}-C`, fit: "Imprecise" } : {}),
    })),
    references: some(random, 0, 3, () => ({
      id: `REF-${random.int(1, 900)}`,
      ...(random.chance(0.3) ? { section: 'Chapter 3, "Nonexecutable Stack", Page 76' } : {}),
    })),
    notes: some(random, 0, 2, () => ({
      type: random.pick(["Relationship", "Other", "Maintenance"]),
      note: rich(random),
    })),
  };
}

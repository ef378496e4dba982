/** Generated weaknesses, categories and views: as MITRE's XML (schema 7.2) and as the JSON of its REST API. */
import type { JsonObject } from "../../core/json.ts";
import { mix, Random } from "../random.ts";
import { escapeXml, fillSections, type Section } from "../snapshot/template.ts";
import { products, vendors } from "../words.ts";

const kinds = ["Weakness", "Category", "View"] as const;
export type CweKind = (typeof kinds)[number];

export interface CweEntry {
  id: string;
  kind: CweKind;
  /** The element, verbatim. */
  xml: string;
  json: JsonObject;
}

/** One number space for all three kinds, with gaps. */
export const cweNumber = (seed: number, slot: number): number => 1 + slot * 3 + (mix(seed, slot, 0xc3e) % 3);

export function cweKind(seed: number, slot: number): CweKind {
  // The first three are one of each, so that even the smallest catalogue has all kinds.
  if (slot < 3) return kinds[slot]!;
  const dice = mix(seed, slot, 0xc3f) % 24;
  return dice < 16 ? "Weakness" : dice < 23 ? "Category" : "View";
}

const PHASE = "{Architecture and Design|Implementation|Operation}";
const SCOPE = "{Confidentiality|Integrity|Availability|Access Control}";
const IMPACT = "{Read Application Data|Modify Memory|DoS: Crash, Exit, or Restart}";

const weakness: Section[] = [
  {
    xml: "<Extended_Description>{x1}</Extended_Description>",
    json: ["ExtendedDescription", "{x1}"],
    most: 1,
  },
  {
    in: "Related_Weaknesses",
    xml: `<Related_Weakness Nature='{ChildOf|PeerOf|CanPrecede}' CWE_ID="{n1}" View_ID="1000" Ordinal="Primary"/>`,
    json: [
      "RelatedWeaknesses",
      { Nature: "{ChildOf|PeerOf|CanPrecede}", CweID: "{n1}", ViewID: "1000", Ordinal: "Primary" },
    ],
    most: 3,
  },
  {
    in: "Applicable_Platforms",
    xml: '<Language Name="{C|C++|Java|PHP}" Prevalence="{Often|Undetermined}"></Language>',
    json: [
      "ApplicablePlatforms",
      { Type: "Language", Name: "{C|C++|Java|PHP}", Prevalence: "{Often|Undetermined}" },
    ],
    most: 3,
  },
  {
    in: "Alternate_Terms",
    xml: "<Alternate_Term>\n<Term>XSS</Term>\n<Description>{t1}</Description>\n</Alternate_Term>",
    json: ["AlternateTerms", { Term: "XSS", Description: "{t1}" }],
    most: 1,
  },
  {
    in: "Modes_Of_Introduction",
    xml: `<Introduction>\n<Phase>${PHASE}</Phase>\n<Note>{x1}</Note>\n</Introduction>`,
    json: ["ModesOfIntroduction", { Phase: PHASE, Note: "{x1}" }],
    most: 3,
    least: 1,
  },
  {
    xml: "<Likelihood_Of_Exploit>{High|Medium|Low}</Likelihood_Of_Exploit>",
    json: ["LikelihoodOfExploit", "{High|Medium|Low}"],
    most: 1,
  },
  {
    in: "Common_Consequences",
    xml: `<Consequence>\n<Scope>${SCOPE}</Scope>\n<Scope>Other</Scope>\n<!-- reviewed: yes & no <b> -->\n<Impact>${IMPACT}</Impact>\n<Note>{t1}</Note>\n</Consequence>`,
    json: ["CommonConsequences", { Scope: [SCOPE, "Other"], Impact: [IMPACT], Note: "{t1}" }],
    most: 3,
    least: 1,
  },
  {
    in: "Detection_Methods",
    xml: '<Detection_Method Detection_Method_ID="DM-{n1}">\n<Method>Automated Static Analysis</Method>\n<Description>{x1}</Description>\n<Effectiveness>Moderate</Effectiveness>\n</Detection_Method>',
    most: 2,
  },
  {
    in: "Potential_Mitigations",
    xml: `<Mitigation>\n<Phase>${PHASE}</Phase>\n<Phase>Testing</Phase>\n<Strategy>Input Validation</Strategy>\n<Description>{x1}</Description>\n</Mitigation>`,
    json: [
      "PotentialMitigations",
      { Phase: [PHASE, "Testing"], Strategy: "Input Validation", Description: "{x1}" },
    ],
    most: 3,
  },
  {
    in: "Demonstrative_Examples",
    // Body, code, body: the order between names carries meaning.
    xml: '<Demonstrative_Example>\n<Intro_Text>{t1}</Intro_Text>\n<Body_Text>The following code copies its argument.</Body_Text>\n<Example_Code Nature="{Bad|Good}" Language="C">{x1}</Example_Code>\n<Body_Text>{t2}</Body_Text>\n</Demonstrative_Example>',
    most: 2,
  },
  {
    in: "Observed_Examples",
    xml: "<Observed_Example>\n<Reference>CVE-2020-1{n1}</Reference>\n<Description>{t1}</Description>\n<Link>https://www.cve.org/CVERecord?id=CVE-2020-1{n1}&amp;x=1</Link>\n</Observed_Example>",
    json: [
      "ObservedExamples",
      {
        Reference: "CVE-2020-1{n1}",
        Description: "{t1}",
        Link: "https://www.cve.org/CVERecord?id=CVE-2020-1{n1}&x=1",
      },
    ],
    most: 3,
  },
  {
    in: "Functional_Areas",
    xml: "<Functional_Area>{Cryptography|Authentication}</Functional_Area>",
    most: 2,
  },
  {
    in: "Taxonomy_Mappings",
    xml: '<Taxonomy_Mapping Taxonomy_Name="{PLOVER|CERT C Secure Coding}">\n<Entry_ID>ARR{n1}-C</Entry_ID>\n<Entry_Name>{s1}</Entry_Name>\n<Mapping_Fit>Imprecise</Mapping_Fit>\n</Taxonomy_Mapping>',
    most: 2,
  },
  {
    in: "Related_Attack_Patterns",
    xml: '<Related_Attack_Pattern CAPEC_ID="{n1}"/>',
    json: ["RelatedAttackPatterns", "{n1}"],
    most: 3,
  },
  {
    in: "References",
    xml: '<Reference External_Reference_ID="REF-{n1}" Section="Chapter 3, &quot;Nonexecutable Stack&quot;, Page 76"/>',
    most: 3,
  },
];

const notes: Section = {
  in: "Notes",
  xml: '<Note Type="{Relationship|Other|Maintenance}">{x1}</Note>',
  json: ["Notes", { Type: "{Relationship|Other|Maintenance}", Note: "{x1}" }],
  most: 2,
};

const members = (name: string): Section => ({
  in: name,
  xml: '<Has_Member CWE_ID="{n1}" View_ID="{699|1000|1003}"/>',
  json: ["Relationships", { CweID: "{n1}", ViewID: "{699|1000|1003}" }],
  most: 5,
});

const mapping: Section = {
  xml: '<Mapping_Notes>\n<Usage>{Allowed|Discouraged|Prohibited}</Usage>\n<Rationale>This entry may have children that would be more appropriate.</Rationale>\n<Comments>Examine children of this entry.</Comments>\n<Reasons>\n<Reason Type="Abstraction"/>\n</Reasons>\n</Mapping_Notes>',
  json: [
    "MappingNotes",
    {
      Usage: "{Allowed|Discouraged|Prohibited}",
      Rationale: "This entry may have children that would be more appropriate.",
      Comments: "Examine children of this entry.",
      Reasons: ["Abstraction"],
    },
  ],
  most: 1,
  least: 1,
};

/** What differs between the kinds: attributes, the field that editions revise, and the sections. */
const shapes: Record<
  CweKind,
  { attributes: Record<string, string>; revised: [xml: string, json: string]; sections: Section[] }
> = {
  Weakness: {
    attributes: { Abstraction: "Base", Structure: "Simple" },
    revised: ["Description", "Description"],
    sections: [...weakness, notes],
  },
  Category: { attributes: {}, revised: ["Summary", "Summary"], sections: [members("Relationships")] },
  View: {
    attributes: { Type: "Graph" },
    revised: ["Objective", "Objective"],
    sections: [
      {
        in: "Audience",
        xml: "<Stakeholder>\n<Type>Software Developers</Type>\n<Description>{t1}</Description>\n</Stakeholder>",
        json: ["Audience", { Type: "Software Developers", Description: "{t1}" }],
        most: 3,
      },
      members("Members"),
      { xml: "<Filter>/Weakness_Catalog/Weaknesses/Weakness[@Status='Deprecated']</Filter>", most: 1 },
    ],
  },
};

const event = (kind: string, date: string, comment: string) => ({
  xml: `<${kind}>\n<${kind}_Name>CWE Content Team</${kind}_Name>\n<${kind}_Organization>MITRE</${kind}_Organization>\n<${kind}_Date>${date}</${kind}_Date>\n<${kind}_Comment>${comment}</${kind}_Comment>\n</${kind}>\n`,
  json: {
    Type: kind,
    [`${kind}Name`]: "CWE Content Team",
    [`${kind}Organization`]: "MITRE",
    [`${kind}Date`]: date,
    [`${kind}Comment`]: comment,
  },
});

/** The same (seed, slot, edition) is the same entry; editions differ in one text and in the history. */
export function makeCwe(seed: number, slot: number, edition: number): CweEntry {
  const random = new Random(mix(seed, slot, 0xc40));
  const number = String(cweNumber(seed, slot));
  const kind = cweKind(seed, slot);
  const { attributes, revised, sections } = shapes[kind];
  const name = `${random.chance(0.05) ? "DEPRECATED: " : ""}Improper Handling of ${random.pick(vendors)} '${random.pick(products)}' <${number}> & more`;
  const head = {
    ID: number,
    Name: name,
    ...attributes,
    Status: random.pick(["Draft", "Stable", "Deprecated"]),
  };
  const text = fillSections(mix(seed, slot, 0xc41), [
    { xml: "{t1}", json: ["text", "{t1}"], most: 1, least: 1 },
  ]);
  const suffix = edition > 1 ? ` Revised in edition ${edition}.` : "";
  const body = fillSections(mix(seed, slot, 0xc42), [...sections, mapping]);
  const history = [
    event("Submission", "2006-07-19", "first version"),
    ...Array.from({ length: edition - 1 }, (_, i) =>
      event("Modification", "2026-01-15", `updated Description, edition ${i + 2}`),
    ),
  ];
  const written = Object.entries(head).map(([key, value]) => ` ${key}="${escapeXml(value)}"`);
  return {
    id: `CWE-${number}`,
    kind,
    xml:
      `<${kind}${written.join("")}>\n<${revised[0]}>${text.xml.trimEnd()}${suffix}</${revised[0]}>\n${body.xml}` +
      `<Content_History>\n${history.map(({ xml }) => xml).join("")}<Previous_Entry_Name Date="2008-04-11">An older name</Previous_Entry_Name>\n</Content_History>\n</${kind}>`,
    json: {
      ...head,
      [revised[1]]: `${String(text.json.text)}${suffix}`,
      ...body.json,
      ContentHistory: [
        ...history.map(({ json }) => json),
        { Type: "Rename", PreviousEntryName: "An older name", Date: "2008-04-11" },
      ],
    },
  };
}

export const cweHead = (version: string, date: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Weakness_Catalog Name="CWE" Version="${version}" Date="${date}" ` +
  'xmlns="http://cwe.mitre.org/cwe-7" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' +
  'xsi:schemaLocation="http://cwe.mitre.org/cwe-7 http://cwe.mitre.org/data/xsd/cwe_schema_v7.2.xsd" ' +
  'xmlns:xhtml="http://www.w3.org/1999/xhtml">\n';

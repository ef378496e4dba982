/** Generated attack patterns, categories and views as MITRE's CAPEC XML, schema 3.5. */
import { mix, Random } from "../random.ts";
import { escapeXml, fillSections, type Section } from "../snapshot/template.ts";
import { vendors } from "../words.ts";

const kinds = ["Attack_Pattern", "Category", "View"] as const;
export type CapecKind = (typeof kinds)[number];

export interface CapecEntry {
  id: string;
  kind: CapecKind;
  /** The element, verbatim. */
  xml: string;
}

export const capecNumber = (seed: number, slot: number): number =>
  1 + slot * 2 + (mix(seed, slot, 0xca9) % 2);

function kindOf(seed: number, slot: number): CapecKind {
  if (slot < 3) return kinds[slot]!;
  const dice = mix(seed, slot, 0xcaa) % 35;
  return dice < 30 ? "Attack_Pattern" : dice < 34 ? "Category" : "View";
}

const pattern: Section[] = [
  {
    in: "Alternate_Terms",
    xml: "<Alternate_Term>\n<Term>Alias</Term>\n<Description>{t1}</Description>\n</Alternate_Term>",
    most: 1,
  },
  { xml: "<Likelihood_Of_Attack>High</Likelihood_Of_Attack>", most: 1 },
  { xml: "<Typical_Severity>Medium</Typical_Severity>", most: 1 },
  {
    in: "Related_Attack_Patterns",
    xml: `<Related_Attack_Pattern Nature='ChildOf' CAPEC_ID="{n1}">\n<Exclude_Related Exclude_ID="515"/>\n</Related_Attack_Pattern>\n<Related_Attack_Pattern Nature="CanPrecede" CAPEC_ID="{n2}"/>`,
    most: 2,
  },
  {
    in: "Execution_Flow",
    xml: "<Attack_Step>\n<Step>{1|2|3}</Step>\n<Phase>{Explore|Experiment|Exploit}</Phase>\n<Description>[Survey] {t1}</Description>\n<Technique>{x1}</Technique>\n<Technique>{t2}</Technique>\n</Attack_Step>",
    most: 3,
  },
  { in: "Prerequisites", xml: "<Prerequisite>{t1}</Prerequisite>", most: 2 },
  { in: "Skills_Required", xml: '<Skill Level="Low">{t1}</Skill>\n<Skill Level="High"></Skill>', most: 1 },
  { in: "Resources_Required", xml: "<Resource>{x1}</Resource>", most: 1 },
  { in: "Indicators", xml: "<Indicator>{t1}</Indicator>", most: 1 },
  {
    in: "Consequences",
    xml: "<Consequence>\n<Scope>Confidentiality</Scope>\n<Scope>Access Control</Scope>\n<!-- reviewed: yes & no <b> -->\n<Impact>Gain Privileges</Impact>\n</Consequence>",
    most: 2,
  },
  { in: "Mitigations", xml: "<Mitigation>{x1}</Mitigation>\n<Mitigation>{t1}</Mitigation>", most: 2 },
  { in: "Example_Instances", xml: "<Example>{x1}</Example>", most: 2 },
  { in: "Related_Weaknesses", xml: '<Related_Weakness CWE_ID="{n1}"></Related_Weakness>', most: 4 },
  {
    in: "Taxonomy_Mappings",
    xml: '<Taxonomy_Mapping Taxonomy_Name="ATTACK">\n<Entry_ID>1574.0{10|11|12}</Entry_ID>\n<Entry_Name>{s1}</Entry_Name>\n</Taxonomy_Mapping>',
    most: 2,
  },
  { in: "References", xml: '<Reference External_Reference_ID="REF-{n1}"/>', most: 2 },
];

const members = (name: string): Section => ({ in: name, xml: '<Has_Member CAPEC_ID="{n1}"/>', most: 5 });

const shapes: Record<CapecKind, { attributes: string; revised: string; sections: Section[] }> = {
  Attack_Pattern: {
    attributes: ' Abstraction="Standard" Status="Draft"',
    revised: "Description",
    sections: pattern,
  },
  Category: { attributes: ' Status="Stable"', revised: "Summary", sections: [members("Relationships")] },
  View: {
    attributes: ' Type="Graph" Status="Draft"',
    revised: "Objective",
    sections: [
      members("Members"),
      { xml: "<Filter>/Attack_Pattern_Catalog/*/*[@Status='Deprecated']</Filter>", most: 1 },
    ],
  },
};

const event = (kind: string, date: string, comment: string): string =>
  `<${kind}>\n<${kind}_Name>CAPEC Content Team</${kind}_Name>\n<${kind}_Organization>The MITRE Corporation</${kind}_Organization>\n` +
  `<${kind}_Date>${date}</${kind}_Date>\n<${kind}_Comment>${comment}</${kind}_Comment>\n</${kind}>\n`;

/** The same (seed, slot, edition) is the same text; editions differ in one text and in the history. */
export function makeCapec(seed: number, slot: number, edition: number): CapecEntry {
  const random = new Random(mix(seed, slot, 0xcab));
  const kind = kindOf(seed, slot);
  const number = String(capecNumber(seed, slot));
  const name = escapeXml(`Exploiting ${random.pick(vendors)} & <others> ${number}`);
  const { attributes, revised, sections } = shapes[kind];
  // The first edition of a description may be rich text.
  const text = edition > 1 ? `{t1} Revised in edition ${edition}.` : random.chance(0.4) ? "{x1}" : "{t1}";
  const description: Section = { xml: `<${revised}>${text}</${revised}>`, most: 1, least: 1 };
  const body = fillSections(mix(seed, slot, 0xcad), [description, ...sections]).xml;
  const editions = Array.from({ length: edition - 1 }, (_, i) =>
    event("Modification", "2026-01-15", `Updated Description, edition ${i + 2}`),
  );
  return {
    id: `CAPEC-${number}`,
    kind,
    xml:
      `<${kind} ID="${number}" Name="${name}"${attributes}>\n${body}<Content_History>\n` +
      `${event("Submission", "2014-06-23", "first version")}${editions.join("")}` +
      `<Previous_Entry_Name Date="2017-05-01">An older name</Previous_Entry_Name>\n</Content_History>\n</${kind}>`,
  };
}

export const capecHead = (version: string, date: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<Attack_Pattern_Catalog xmlns="http://capec.mitre.org/capec-3"
                        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                        xmlns:capec="http://capec.mitre.org/capec-3"
                        xmlns:xhtml="http://www.w3.org/1999/xhtml"
                        Name="CAPEC"
                        Version="${version}"
                        Date="${date}"
                        xsi:schemaLocation="http://capec.mitre.org/capec-3 http://capec.mitre.org/data/xsd/ap_schema_v3.5.xsd">
`;

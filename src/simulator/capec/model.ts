/** Generated attack patterns, categories and views as MITRE's CAPEC XML, schema 3.5. */
import { mix, Random } from "../random.ts";
import { type Element, el, list, type Raw, writeElement } from "../snapshot/markup.ts";
import { asXhtml, blocks, prose } from "../snapshot/prose.ts";
import { sentence, vendors } from "../words.ts";

export type CapecKind = "pattern" | "category" | "view";

export interface CapecEntry {
  id: string;
  kind: CapecKind;
  /** The element with its line breaks. */
  xml: string;
}

export const capecNumber = (seed: number, slot: number): number =>
  1 + slot * 2 + (mix(seed, slot, 0xca9) % 2);

function kindOf(seed: number, slot: number): CapecKind {
  if (slot < 3) return (["pattern", "category", "view"] as const)[slot]!;
  const dice = mix(seed, slot, 0xcaa) % 35;
  return dice < 30 ? "pattern" : dice < 34 ? "category" : "view";
}

const some = <T>(random: Random, from: number, to: number, make: () => T): T[] =>
  Array.from({ length: random.int(from, to) }, make);

const rich = (random: Random): Raw | string => (random.chance(0.4) ? asXhtml(blocks(random)) : prose(random));

function history(random: Random, edition: number): Element {
  const event = (kind: string, date: string, comment?: string): Element =>
    el(
      kind,
      {},
      el(`${kind}_Name`, {}, "CAPEC Content Team"),
      el(`${kind}_Organization`, {}, "The MITRE Corporation"),
      el(`${kind}_Date`, {}, date),
      comment === undefined ? undefined : el(`${kind}_Comment`, {}, comment),
    );
  const editions = Array.from({ length: edition - 1 }, (_, i) =>
    event("Modification", "2026-01-15", `Updated Description, edition ${i + 2}`),
  );
  const old = random.chance(0.3)
    ? el("Previous_Entry_Name", { Date: "2017-05-01" }, sentence(random).slice(0, 30))
    : undefined;
  return el(
    "Content_History",
    {},
    event("Submission", "2014-06-23"),
    ...some(random, 0, 3, () => event("Modification", "2017-08-04", "Updated Attack_Pattern, References")),
    ...editions,
    old,
  );
}

function pattern(random: Random, head: Record<string, string>, revised: string, edition: number): Element {
  const number = (): string => String(random.int(1, 750));
  return el(
    "Attack_Pattern",
    {
      ...head,
      Abstraction: random.pick(["Standard", "Meta", "Detailed"]),
      Status: random.pick(["Draft", "Stable", "Deprecated"]),
    },
    el("Description", {}, ...(revised === "" ? [rich(random)] : [prose(random) + revised])),
    random.chance(0.4)
      ? el(
          "Alternate_Terms",
          {},
          el("Alternate_Term", {}, el("Term", {}, "Alias"), el("Description", {}, prose(random))),
        )
      : undefined,
    random.chance(0.8) ? el("Likelihood_Of_Attack", {}, "High") : undefined,
    random.chance(0.8) ? el("Typical_Severity", {}, "Medium") : undefined,
    list(
      "Related_Attack_Patterns",
      some(random, 0, 3, () =>
        random.chance(0.2)
          ? el(
              "Related_Attack_Pattern",
              { Nature: "ChildOf", CAPEC_ID: number() },
              el("Exclude_Related", { Exclude_ID: "515" }),
            )
          : el("Related_Attack_Pattern", { Nature: "ChildOf", CAPEC_ID: number() }),
      ),
    ),
    list(
      "Execution_Flow",
      some(random, 0, 3, () =>
        el(
          "Attack_Step",
          {},
          el("Step", {}, String(random.int(1, 4))),
          el("Phase", {}, random.pick(["Explore", "Experiment", "Exploit"])),
          el("Description", {}, `[Survey] ${prose(random)}`),
          ...some(random, 0, 3, () => el("Technique", {}, rich(random))),
        ),
      ),
    ),
    list(
      "Prerequisites",
      some(random, 0, 2, () => el("Prerequisite", {}, prose(random))),
    ),
    list(
      "Skills_Required",
      some(random, 0, 2, () =>
        el("Skill", { Level: random.pick(["Low", "High"]) }, ...(random.chance(0.8) ? [prose(random)] : [])),
      ),
    ),
    list(
      "Resources_Required",
      some(random, 0, 1, () => el("Resource", {}, rich(random))),
    ),
    list(
      "Indicators",
      some(random, 0, 1, () => el("Indicator", {}, prose(random))),
    ),
    list(
      "Consequences",
      some(random, 0, 2, () =>
        el(
          "Consequence",
          {},
          ...some(random, 1, 3, () => el("Scope", {}, random.pick(["Confidentiality", "Access Control"]))),
          el("Impact", {}, "Gain Privileges"),
        ),
      ),
    ),
    list(
      "Mitigations",
      some(random, 0, 3, () => el("Mitigation", {}, rich(random))),
    ),
    list(
      "Example_Instances",
      some(random, 0, 2, () => el("Example", {}, rich(random))),
    ),
    list(
      "Related_Weaknesses",
      some(random, 0, 4, () => el("Related_Weakness", { CWE_ID: number() })),
    ),
    list(
      "Taxonomy_Mappings",
      some(random, 0, 2, () =>
        el(
          "Taxonomy_Mapping",
          { Taxonomy_Name: "ATTACK" },
          el("Entry_ID", {}, `1574.0${random.int(10, 99)}`),
          el("Entry_Name", {}, sentence(random).slice(0, 30)),
        ),
      ),
    ),
    list(
      "References",
      some(random, 0, 2, () => el("Reference", { External_Reference_ID: `REF-${number()}` })),
    ),
    history(random, edition),
  );
}

/** The same (seed, slot, edition) is the same text. */
export function makeCapec(seed: number, slot: number, edition: number): CapecEntry {
  const random = new Random(mix(seed, slot, 0xcab));
  const kind = kindOf(seed, slot);
  const number = String(capecNumber(seed, slot));
  const head = { ID: number, Name: `Exploiting ${random.pick(vendors)} & <others> ${number}` };
  const revised = edition > 1 ? ` Revised in edition ${edition}.` : "";
  const members = (name: string): Element | undefined =>
    list(
      name,
      some(random, 0, 5, () => el("Has_Member", { CAPEC_ID: String(random.int(1, 750)) })),
    );
  let element: Element;
  if (kind === "pattern") element = pattern(random, head, revised, edition);
  else if (kind === "category")
    element = el(
      "Category",
      { ...head, Status: "Stable" },
      el("Summary", {}, prose(random) + revised),
      members("Relationships"),
      history(random, edition),
    );
  else
    element = el(
      "View",
      { ...head, Type: "Graph", Status: "Draft" },
      el("Objective", {}, prose(random) + revised),
      members("Members"),
      random.chance(0.5) ? el("Filter", {}, "/Attack_Pattern_Catalog/*/*[@Status='Deprecated']") : undefined,
      history(random, edition),
    );
  return {
    id: `CAPEC-${number}`,
    kind,
    xml: writeElement(element, new Random(mix(seed, slot, 0xcac)), "      "),
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

export const capecTail = `   <External_References>
      <External_Reference Reference_ID="REF-1">
         <Author>A. Author</Author>
         <Title>ATT&amp;CK and others</Title>
         <URL>https://example.org/?a=1&amp;b=2</URL>
      </External_Reference>
   </External_References>
</Attack_Pattern_Catalog>
`;

/** CWE entries as MITRE's XML, schema 7. */
import { mix, Random } from "../random.ts";
import { type Element, el, list, type Raw, writeElement } from "../snapshot/markup.ts";
import { asXhtml, type Block } from "../snapshot/prose.ts";
import type { Category, CweEntry, HistoryEvent, View, Weakness } from "./model.ts";

const rich = (content: Block[] | string): Raw | string =>
  typeof content === "string" ? content : asXhtml(content);

function event({ kind, name, organization, date, comment }: HistoryEvent): Element {
  return el(
    kind,
    kind === "Contribution" ? { Type: "Feedback" } : {},
    el(`${kind}_Name`, {}, name),
    organization === undefined ? undefined : el(`${kind}_Organization`, {}, organization),
    el(`${kind}_Date`, {}, date),
    comment === undefined ? undefined : el(`${kind}_Comment`, {}, comment),
  );
}

const history = (entry: CweEntry): Element =>
  el(
    "Content_History",
    {},
    ...entry.history.map(event),
    ...entry.previousNames.map(({ date, name }) => el("Previous_Entry_Name", { Date: date }, name)),
  );

const mapping = (entry: CweEntry): Element =>
  el(
    "Mapping_Notes",
    {},
    el("Usage", {}, entry.usage),
    el("Rationale", {}, "This entry may have children that would be more appropriate."),
    el("Comments", {}, "Examine children of this entry."),
    el("Reasons", {}, el("Reason", { Type: "Abstraction" })),
  );

const members = (entry: Category | View, name: string): Element | undefined =>
  list(
    name,
    entry.members.map(({ cwe, view }) => el("Has_Member", { CWE_ID: cwe, View_ID: view })),
  );

function weakness(w: Weakness): Element {
  return el(
    "Weakness",
    { ID: w.number, Name: w.name, Abstraction: w.abstraction, Structure: w.structure, Status: w.status },
    el("Description", {}, w.description),
    w.extended && el("Extended_Description", {}, asXhtml(w.extended)),
    list(
      "Related_Weaknesses",
      w.relations.map((r) =>
        el("Related_Weakness", { Nature: r.nature, CWE_ID: r.cwe, View_ID: r.view, Ordinal: r.ordinal }),
      ),
    ),
    list(
      "Applicable_Platforms",
      w.platforms.map((p) => el(p.type, { Name: p.name, Class: p.class, Prevalence: p.prevalence })),
    ),
    list(
      "Alternate_Terms",
      w.terms.map((t) =>
        el("Alternate_Term", {}, el("Term", {}, t.term), el("Description", {}, t.description)),
      ),
    ),
    list(
      "Modes_Of_Introduction",
      w.modes.map((m) =>
        el("Introduction", {}, el("Phase", {}, m.phase), m.note && el("Note", {}, asXhtml(m.note))),
      ),
    ),
    w.likelihood === undefined ? undefined : el("Likelihood_Of_Exploit", {}, w.likelihood),
    list(
      "Common_Consequences",
      w.consequences.map((c) =>
        el(
          "Consequence",
          {},
          ...c.scopes.map((scope) => el("Scope", {}, scope)),
          ...c.impacts.map((impact) => el("Impact", {}, impact)),
          c.note === undefined ? undefined : el("Note", {}, c.note),
        ),
      ),
    ),
    list("Detection_Methods", w.detections.map(detection)),
    list(
      "Potential_Mitigations",
      w.mitigations.map((m) =>
        el(
          "Mitigation",
          {},
          ...m.phases.map((phase) => el("Phase", {}, phase)),
          m.strategy === undefined ? undefined : el("Strategy", {}, m.strategy),
          el("Description", {}, rich(m.description)),
        ),
      ),
    ),
    list(
      "Demonstrative_Examples",
      w.examples.map((e) =>
        el(
          "Demonstrative_Example",
          {},
          el("Intro_Text", {}, e.intro),
          // Body, code, body: the order between names carries meaning.
          el("Body_Text", {}, "The following code copies its argument."),
          el("Example_Code", { Nature: e.nature, Language: e.language }, asXhtml(e.code)),
          el("Body_Text", {}, e.body),
        ),
      ),
    ),
    ...evidence(w),
    mapping(w),
    list(
      "Notes",
      w.notes.map((n) => el("Note", { Type: n.type }, rich(n.note))),
    ),
    history(w),
  );
}

const detection = (d: Weakness["detections"][number]): Element =>
  el(
    "Detection_Method",
    { Detection_Method_ID: d.id },
    el("Method", {}, d.method),
    el("Description", {}, rich(d.description)),
    d.effectiveness === undefined ? undefined : el("Effectiveness", {}, d.effectiveness),
  );

const evidence = (w: Weakness): (Element | undefined)[] => [
  list(
    "Observed_Examples",
    w.observed.map((o) =>
      el(
        "Observed_Example",
        {},
        el("Reference", {}, o.reference),
        el("Description", {}, o.description),
        el("Link", {}, o.link),
      ),
    ),
  ),
  list(
    "Functional_Areas",
    w.areas.map((area) => el("Functional_Area", {}, area)),
  ),
  list(
    "Taxonomy_Mappings",
    w.taxonomies.map((t) =>
      el(
        "Taxonomy_Mapping",
        { Taxonomy_Name: t.name },
        t.id === undefined ? undefined : el("Entry_ID", {}, t.id),
        el("Entry_Name", {}, t.entry),
        t.fit === undefined ? undefined : el("Mapping_Fit", {}, t.fit),
      ),
    ),
  ),
  list(
    "Related_Attack_Patterns",
    w.attackPatterns.map((id) => el("Related_Attack_Pattern", { CAPEC_ID: id })),
  ),
  list(
    "References",
    w.references.map((r) => el("Reference", { External_Reference_ID: r.id, Section: r.section })),
  ),
];

const category = (c: Category): Element =>
  el(
    "Category",
    { ID: c.number, Name: c.name, Status: c.status },
    el("Summary", {}, c.summary),
    members(c, "Relationships"),
    mapping(c),
    history(c),
  );

const view = (v: View): Element =>
  el(
    "View",
    { ID: v.number, Name: v.name, Type: v.type, Status: v.status },
    el("Objective", {}, rich(v.objective)),
    list(
      "Audience",
      v.audience.map((a) =>
        el("Stakeholder", {}, el("Type", {}, a.type), el("Description", {}, a.description)),
      ),
    ),
    members(v, "Members"),
    v.filter === undefined ? undefined : el("Filter", {}, v.filter),
    mapping(v),
    history(v),
  );

/** The entry's element, with its line breaks. The same entry is always written the same way. */
export function cweXml(seed: number, entry: CweEntry): string {
  const random = new Random(mix(seed, Number(entry.number), 0x312));
  const element =
    entry.kind === "weakness" ? weakness(entry) : entry.kind === "category" ? category(entry) : view(entry);
  return writeElement(element, random, "      ");
}

export const cweHead = (version: string, date: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Weakness_Catalog Name="CWE" Version="${version}" Date="${date}" ` +
  'xmlns="http://cwe.mitre.org/cwe-7" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' +
  'xsi:schemaLocation="http://cwe.mitre.org/cwe-7 http://cwe.mitre.org/data/xsd/cwe_schema_v7.2.xsd" ' +
  'xmlns:xhtml="http://www.w3.org/1999/xhtml">\n';

/** Catalogue references: metadata, no records. */
export const cweTail = `   <External_References>
      <External_Reference Reference_ID="REF-1">
         <Author>A. Author</Author>
         <Author>B. Author</Author>
         <Title>Writing Secure Code &amp; more</Title>
         <Publication_Year>2002</Publication_Year>
         <URL>https://example.org/?a=1&amp;b=2</URL>
      </External_Reference>
   </External_References>
</Weakness_Catalog>
`;

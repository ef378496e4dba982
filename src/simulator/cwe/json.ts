/** The same entries in the shape of MITRE's REST API: Pascal case, rich text as plain text. */
import { asText, type Block } from "../snapshot/prose.ts";
import type { CweEntry, HistoryEvent, Weakness } from "./model.ts";

const text = (content: Block[] | string): string => (typeof content === "string" ? content : asText(content));
const when = <T>(name: string, items: readonly T[], make: (item: T) => unknown): object =>
  items.length === 0 ? {} : { [name]: items.map(make) };

const event = ({ kind, name, organization, date, comment }: HistoryEvent): object => ({
  Type: kind,
  [`${kind}Name`]: name,
  ...(organization === undefined ? {} : { [`${kind}Organization`]: organization }),
  [`${kind}Date`]: date,
  ...(comment === undefined ? {} : { [`${kind}Comment`]: comment }),
});

const common = (entry: CweEntry): object => ({
  MappingNotes: {
    Usage: entry.usage,
    Rationale: "This entry may have children that would be more appropriate.",
    Comments: "Examine children of this entry.",
    Reasons: ["Abstraction"],
  },
  ContentHistory: [
    ...entry.history.map(event),
    ...entry.previousNames.map(({ date, name }) => ({ Type: "Rename", PreviousEntryName: name, Date: date })),
  ],
});

const weakness = (w: Weakness): object => ({
  ID: w.number,
  Name: w.name,
  Abstraction: w.abstraction,
  Structure: w.structure,
  Status: w.status,
  Description: w.description,
  ...(w.extended ? { ExtendedDescription: asText(w.extended) } : {}),
  ...(w.likelihood === undefined ? {} : { LikelihoodOfExploit: w.likelihood }),
  ...when("RelatedWeaknesses", w.relations, (r) => ({
    Nature: r.nature,
    CweID: r.cwe,
    ViewID: r.view,
    ...(r.ordinal === undefined ? {} : { Ordinal: r.ordinal }),
  })),
  ...when("ApplicablePlatforms", w.platforms, (p) => ({
    Type: p.type.replace("_", ""),
    ...(p.name === undefined ? { Class: p.class } : { Name: p.name }),
    Prevalence: p.prevalence,
  })),
  ...when("AlternateTerms", w.terms, (t) => ({ Term: t.term, Description: t.description })),
  ...when("ModesOfIntroduction", w.modes, (m) => ({
    Phase: m.phase,
    ...(m.note ? { Note: asText(m.note) } : {}),
  })),
  ...when("CommonConsequences", w.consequences, (c) => ({
    Scope: c.scopes,
    Impact: c.impacts,
    ...(c.note === undefined ? {} : { Note: c.note }),
  })),
  ...when("PotentialMitigations", w.mitigations, (m) => ({
    Phase: m.phases,
    ...(m.strategy === undefined ? {} : { Strategy: m.strategy }),
    Description: text(m.description),
  })),
  ...when("ObservedExamples", w.observed, (o) => ({
    Reference: o.reference,
    Description: o.description,
    Link: o.link,
  })),
  ...when("RelatedAttackPatterns", w.attackPatterns, (id) => id),
  ...when("Notes", w.notes, (n) => ({ Type: n.type, Note: text(n.note) })),
  ...common(w),
});

export function cweJson(entry: CweEntry): object {
  if (entry.kind === "weakness") return weakness(entry);
  const members = when("Relationships", entry.members, ({ cwe, view }) => ({ CweID: cwe, ViewID: view }));
  if (entry.kind === "category")
    return {
      ID: entry.number,
      Name: entry.name,
      Status: entry.status,
      Summary: entry.summary,
      ...members,
      ...common(entry),
    };
  return {
    ID: entry.number,
    Name: entry.name,
    Type: entry.type,
    Status: entry.status,
    Objective: text(entry.objective),
    ...when("Audience", entry.audience, (a) => ({ Type: a.type, Description: a.description })),
    ...members,
    ...common(entry),
  };
}

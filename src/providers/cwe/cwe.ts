/**
 * MITRE's Common Weakness Enumeration: weaknesses, categories and views of one catalogue, which share one number space.
 * The default is the XML zip; UEE_CWE_URL may point at plain XML or at a JSON catalogue of MITRE's REST shape, which are
 * recognised by their content.
 */

import type { JsonObject } from "../../core/json.ts";
import type { Link } from "../contract.ts";
import { readCatalogue } from "../formats/catalogue.ts";
import { names, numberedId, numberedIds, objectsIn, recordShape, textIn } from "../formats/records.ts";
import { catalogueSchema } from "../formats/xmlElement.ts";
import { snapshotProvider } from "../snapshot/provider.ts";

/**
 * MITRE's cwe_schema v7 (7.0 to 7.2), as far as it shapes `data`: what repeats (maxOccurs="unbounded"), what is an object,
 * what is text. XHTML may stand in every element of StructuredTextType; those are all `text` or `annotated`.
 */
export const cweSchema = catalogueSchema({
  root: "Weakness_Catalog",
  groups: ["Weaknesses", "Categories", "Views"],
  repeatable: names(`
    Related_Weaknesses/Related_Weakness Weakness_Ordinalities/Weakness_Ordinality
    Applicable_Platforms/Language Applicable_Platforms/Operating_System Applicable_Platforms/Architecture
    Applicable_Platforms/Technology Background_Details/Background_Detail Alternate_Terms/Alternate_Term
    Modes_Of_Introduction/Introduction Exploitation_Factors/Exploitation_Factor
    Common_Consequences/Consequence Consequence/Scope Consequence/Impact Detection_Methods/Detection_Method
    Potential_Mitigations/Mitigation Mitigation/Phase Demonstrative_Examples/Demonstrative_Example
    Demonstrative_Example/Body_Text Demonstrative_Example/Example_Code Observed_Examples/Observed_Example
    Functional_Areas/Functional_Area Affected_Resources/Affected_Resource Taxonomy_Mappings/Taxonomy_Mapping
    Related_Attack_Patterns/Related_Attack_Pattern References/Reference Reasons/Reason
    Suggestions/Suggestion Notes/Note Content_History/Modification Content_History/Contribution
    Content_History/Previous_Entry_Name Relationships/Member_Of Relationships/Has_Member Members/Member_Of
    Members/Has_Member Audience/Stakeholder
  `),
  object: names(`
    Related_Weaknesses Related_Weakness Weakness_Ordinalities Weakness_Ordinality Applicable_Platforms
    Applicable_Platforms/Language Applicable_Platforms/Operating_System Applicable_Platforms/Architecture
    Applicable_Platforms/Technology Background_Details Alternate_Terms Alternate_Term Modes_Of_Introduction
    Introduction Exploitation_Factors Common_Consequences Consequence Detection_Methods Detection_Method
    Potential_Mitigations Mitigation Demonstrative_Examples Demonstrative_Example Observed_Examples
    Observed_Example Functional_Areas Affected_Resources Taxonomy_Mappings Taxonomy_Mapping
    Related_Attack_Patterns Related_Attack_Pattern References References/Reference Mapping_Notes Reasons
    Reason Suggestions Suggestion Notes Content_History Submission Modification Contribution Relationships
    Members Member_Of Has_Member Audience Stakeholder
  `),
  annotated: ["Notes/Note", "Example_Code", "Previous_Entry_Name"],
  text: names(`
    Description Extended_Description Background_Detail Likelihood_Of_Exploit Ordinality Term Phase Note
    Exploitation_Factor Scope Impact Likelihood Method Effectiveness Effectiveness_Notes Strategy Title_Text
    Intro_Text Body_Text Reference Link Functional_Area Affected_Resource Entry_ID Entry_Name Mapping_Fit
    Usage Rationale Comments Summary Objective Filter Type Submission_Name Submission_Organization
    Submission_Date Submission_Version Submission_ReleaseDate Submission_Comment Modification_Name
    Modification_Organization Modification_Date Modification_Version Modification_ReleaseDate
    Modification_Importance Modification_Comment Contribution_Name Contribution_Organization
    Contribution_Date Contribution_Version Contribution_ReleaseDate Contribution_Comment
  `),
});

/** Groups of an XML entry, which are objects by construction. */
const groups = names(`
  Related_Weaknesses Weakness_Ordinalities Applicable_Platforms Background_Details Alternate_Terms
  Modes_Of_Introduction Exploitation_Factors Common_Consequences Detection_Methods Potential_Mitigations
  Demonstrative_Examples Observed_Examples Functional_Areas Affected_Resources Taxonomy_Mappings
  Related_Attack_Patterns Content_History
`);
/** Groups that both forms spell alike: objects in XML, lists in JSON. */
const spelledAlike = ["References", "Notes", "Relationships", "Members", "Audience"];
/** Members that every JSON entry has and no XML entry can have. */
const jsonMarks = ["MappingNotes", "ContentHistory"];

/** In MITRE's JSON `Related_Weaknesses` is `RelatedWeaknesses`, and every group but MappingNotes is a list. */
const record = recordShape({
  objects: [...groups, "Mapping_Notes", "MappingNotes"],
  lists: groups.map((name) => name.replaceAll("_", "")),
}).check(({ value, issues }) => {
  const isJson = jsonMarks.some((name) => Object.hasOwn(value, name));
  for (const name of spelledAlike) {
    const group = value[name];
    if (group === undefined || group === null || Array.isArray(group)) continue;
    if (isJson || typeof group !== "object") {
      issues.push({ code: "custom", path: [name], input: group, message: "Invalid input: expected array" });
    }
  }
});

/** Relations of weaknesses, members of categories and views, and attack patterns, in both forms. */
function links(data: JsonObject): Link[] {
  const found: Link[] = [];
  const add = (provider: "cwe" | "capec", number: unknown, relation: string) => {
    const id = numberedId(provider.toUpperCase(), number);
    if (id !== undefined) found.push({ provider, id, relation });
  };
  for (const one of [
    ...objectsIn(data.Related_Weaknesses, "Related_Weakness"),
    ...objectsIn(data.RelatedWeaknesses),
  ]) {
    add("cwe", one.CWE_ID ?? one.CweID, textIn(one.Nature) ?? "Related");
  }
  for (const group of [data.Relationships, data.Members]) {
    for (const one of [...objectsIn(group), ...objectsIn(group, "Has_Member")])
      add("cwe", one.CWE_ID ?? one.CweID, "HasMember");
    for (const one of objectsIn(group, "Member_Of")) add("cwe", one.CWE_ID, "MemberOf");
  }
  for (const one of objectsIn(data.Related_Attack_Patterns, "Related_Attack_Pattern"))
    add("capec", one.CAPEC_ID, "related-attack-pattern");
  if (Array.isArray(data.RelatedAttackPatterns)) {
    for (const number of data.RelatedAttackPatterns) add("capec", number, "related-attack-pattern");
  }
  return found;
}

// Entries have no time of their own that changes with every edit: Content_History is kept by hand.
export const cwe = snapshotProvider({
  name: "cwe",
  authority: "mitre",
  version: 1,
  upstream: {
    defaultUrl: "https://cwe.mitre.org/data/xml/cwec_latest.xml.zip",
    urlEnv: "UEE_CWE_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  title: "CWE",
  expected: { records: 1_500, bytesPerRecord: 4_100 },
  example: { id: "CWE-79", record: { ID: "79", Name: "x", Content_History: { Submission: {} } } },
  record,
  ...numberedIds("CWE"),
  links,
  label: (data) => textIn(data.Name),
  hasNames: true,
  read: (bytes) =>
    readCatalogue(bytes, { schema: cweSchema, jsonArrays: ["Weaknesses", "Categories", "Views"] }),
});

/** MITRE's Common Attack Pattern Enumeration: attack patterns, categories and views of one XML (or zipped XML) file. */
import type { JsonObject } from "../../core/json.ts";
import type { Link } from "../contract.ts";
import { readCatalogue } from "../formats/catalogue.ts";
import { names, numberedId, numberedIds, objectsIn, recordShape, textIn } from "../formats/records.ts";
import { catalogueSchema } from "../formats/xmlElement.ts";
import { snapshotProvider } from "../snapshot/provider.ts";

/** MITRE's ap_schema v3 (3.0 to 3.5), as far as it shapes `data`; see cwe/cwe.ts. */
export const capecSchema = catalogueSchema({
  root: "Attack_Pattern_Catalog",
  groups: ["Attack_Patterns", "Categories", "Views"],
  repeatable: names(`
    Alternate_Terms/Alternate_Term Related_Attack_Patterns/Related_Attack_Pattern
    Related_Attack_Pattern/Exclude_Related Execution_Flow/Attack_Step Attack_Step/Technique
    Prerequisites/Prerequisite Skills_Required/Skill Resources_Required/Resource Indicators/Indicator
    Consequences/Consequence Consequence/Scope Consequence/Impact Mitigations/Mitigation
    Example_Instances/Example Related_Weaknesses/Related_Weakness Taxonomy_Mappings/Taxonomy_Mapping
    References/Reference Notes/Note Content_History/Modification Content_History/Contribution
    Content_History/Previous_Entry_Name Relationships/Member_Of Relationships/Has_Member Members/Member_Of
    Members/Has_Member Member_Of/Exclude_Related Has_Member/Exclude_Related Audience/Stakeholder
  `),
  object: names(`
    Alternate_Terms Alternate_Term Related_Attack_Patterns Related_Attack_Pattern Exclude_Related
    Execution_Flow Attack_Step Prerequisites Skills_Required Resources_Required Indicators Consequences
    Consequence Mitigations Example_Instances Related_Weaknesses Related_Weakness Taxonomy_Mappings
    Taxonomy_Mapping References Reference Notes Content_History Submission Modification Contribution
    Relationships Members Member_Of Has_Member Audience Stakeholder
  `),
  annotated: ["Skill", "Notes/Note", "Previous_Entry_Name"],
  text: names(`
    Description Extended_Description Term Likelihood_Of_Attack Typical_Severity Step Phase Technique
    Prerequisite Resource Indicator Scope Impact Likelihood Note Mitigation Example Entry_ID Entry_Name
    Mapping_Fit Summary Objective Filter Type Submission_Name Submission_Organization Submission_Date
    Submission_Comment Modification_Name Modification_Organization Modification_Date Modification_Importance
    Modification_Comment Contribution_Name Contribution_Organization Contribution_Date Contribution_Comment
  `),
});

const record = recordShape({
  lists: [],
  objects: names(`
    Alternate_Terms Related_Attack_Patterns Execution_Flow Prerequisites Skills_Required Resources_Required
    Indicators Consequences Mitigations Example_Instances Related_Weaknesses Taxonomy_Mappings References
    Notes Content_History Relationships Members Audience
  `),
});

/** Relations of patterns, members of categories and views, weaknesses, and techniques of ATT&CK (by their ATT&CK id). */
function links(data: JsonObject): Link[] {
  const found: Link[] = [];
  const add = (provider: string, id: string | undefined, relation: string) => {
    if (id !== undefined) found.push({ provider, id, relation });
  };
  for (const one of objectsIn(data.Related_Attack_Patterns, "Related_Attack_Pattern"))
    add("capec", numberedId("CAPEC", one.CAPEC_ID), textIn(one.Nature) ?? "Related");
  for (const group of [data.Relationships, data.Members]) {
    for (const one of objectsIn(group, "Has_Member"))
      add("capec", numberedId("CAPEC", one.CAPEC_ID), "HasMember");
    for (const one of objectsIn(group, "Member_Of"))
      add("capec", numberedId("CAPEC", one.CAPEC_ID), "MemberOf");
  }
  for (const one of objectsIn(data.Related_Weaknesses, "Related_Weakness"))
    add("cwe", numberedId("CWE", one.CWE_ID), "related-weakness");
  for (const one of objectsIn(data.Taxonomy_Mappings, "Taxonomy_Mapping")) {
    const technique = /^\s*T?(\d{4}(?:\.\d{3})?)\s*$/i.exec(textIn(one.Entry_ID) ?? "")?.[1];
    if (one.Taxonomy_Name === "ATTACK" && technique !== undefined)
      add("attack", `T${technique}`, "taxonomy-mapping");
  }
  return found;
}

// Entries have no time of their own that changes with every edit: 3.9 changed 2,307 of them with old dates.
export const capec = snapshotProvider({
  name: "capec",
  authority: "mitre",
  version: 1,
  upstream: {
    defaultUrl: "https://capec.mitre.org/data/xml/capec_latest.xml",
    urlEnv: "UEE_CAPEC_URL",
    rate: { max: 30, windowMs: 60_000 },
  },
  title: "CAPEC",
  expected: { records: 700, bytesPerRecord: 4_500 },
  example: { id: "CAPEC-66", record: { ID: "66", Name: "x", Consequences: { Consequence: [] } } },
  record,
  ...numberedIds("CAPEC"),
  links,
  label: (data) => textIn(data.Name),
  hasNames: true,
  read: (bytes) => readCatalogue(bytes, { schema: capecSchema, jsonArrays: [] }),
});

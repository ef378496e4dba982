import type { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { recordShape } from "../formats/recordShape.ts";

/** Groups that both forms spell alike: objects in XML, lists in JSON. */
const spelledAlike = ["References", "Notes", "Relationships", "Members", "Audience"];
/** Members that every JSON entry has and no XML entry can have. */
const jsonMarks = ["MappingNotes", "ContentHistory"];

/**
 * Lists and objects of an entry in both forms: `Related_Weaknesses` in XML, where every group is an object by
 * construction, and `RelatedWeaknesses` in MITRE's JSON, where every group but one is a list.
 */
export const cweRecord: z.ZodType<JsonObject> = recordShape({
  objects: [
    "Related_Weaknesses",
    "Weakness_Ordinalities",
    "Applicable_Platforms",
    "Background_Details",
    "Alternate_Terms",
    "Modes_Of_Introduction",
    "Exploitation_Factors",
    "Common_Consequences",
    "Detection_Methods",
    "Potential_Mitigations",
    "Demonstrative_Examples",
    "Observed_Examples",
    "Functional_Areas",
    "Affected_Resources",
    "Taxonomy_Mappings",
    "Related_Attack_Patterns",
    "Mapping_Notes",
    "Content_History",
    "MappingNotes",
  ],
  lists: [
    "RelatedWeaknesses",
    "WeaknessOrdinalities",
    "ApplicablePlatforms",
    "BackgroundDetails",
    "AlternateTerms",
    "ModesOfIntroduction",
    "ExploitationFactors",
    "CommonConsequences",
    "DetectionMethods",
    "PotentialMitigations",
    "DemonstrativeExamples",
    "ObservedExamples",
    "FunctionalAreas",
    "AffectedResources",
    "TaxonomyMappings",
    "RelatedAttackPatterns",
    "ContentHistory",
  ],
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

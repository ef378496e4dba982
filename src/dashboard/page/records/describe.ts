/** A record of any source as people read it. Pure functions: what is missing or of another form is left out. */
import type { StoredRecord } from "../../api/schemas.ts";
import { parseTime } from "../lib/figures.ts";

export interface Description {
  title: string | null;
  /** ATT&CK's own id, where the record's is a STIX id. */
  alias: string | null;
  texts: string[];
  /** CVSS, the newest version that the record has. */
  vector: string | null;
  facts: [label: string, value: string][];
  links: string[];
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fieldsIn = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);
const textIn = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : null;
/** Descriptions of CWE and CAPEC hold markup; names may hold `<` as a letter. */
const withoutMarkup = (text: string | null): string | null =>
  text?.replace(/<[^>]{1,200}>/g, "").trim() ?? null;

const named = ["Name", "name", "vulnerabilityName", "cisaVulnerabilityName"];
const long = [
  "Description",
  "description",
  "shortDescription",
  "Extended_Description",
  "requiredAction",
  "notes",
];

export function describe({ id, provider, data }: StoredRecord): Description {
  const title = named.map((name) => textIn(data[name])).find((one) => one !== null) ?? null;
  const english = fieldsIn(data.descriptions).find(({ lang }) => lang === "en");
  const texts = [textIn(english?.value), ...long.map((name) => withoutMarkup(textIn(data[name])))];
  const references = [
    ...fieldsIn(data.references).map(({ url }) => url),
    ...fieldsIn(data.external_references).map(({ url }) => url),
  ];
  const external = fieldsIn(data.external_references).find(({ source_name: source }) =>
    String(source).startsWith("mitre-"),
  );
  const score = scoreOf(data.metrics);
  const shown = new Set([...named, ...long, "id", "ID", "cveID", "cve", "type", "spec_version"]);
  return {
    title: title === id ? null : title,
    alias: provider === "attack" ? textIn(external?.external_id) : null,
    texts: texts.filter((one): one is string => one !== null),
    vector: score?.vector ?? null,
    facts: [
      ...(score === null ? [] : ([["CVSS", score.said]] as [string, string][])),
      ...Object.entries(data)
        .filter(([name]) => !shown.has(name) && !name.startsWith("x_mitre_") && !name.startsWith("cisa"))
        .map(([name, value]) => [labelOf(name), scalar(value)] as [string, string])
        .filter(([, value]) => value !== ""),
    ],
    links: [...new Set(references.map(textIn))].filter(
      (one): one is string => one !== null && /^https?:\/\//.test(one),
    ),
  };
}

/** `vulnStatus` → `Vuln status`, `Likelihood_Of_Attack` → `Likelihood of attack`. */
function labelOf(name: string): string {
  const words = name
    .replaceAll("_", " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function scalar(value: unknown): string {
  if (typeof value === "string") {
    const plain = value.length > 200 ? "" : value;
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(plain) ? parseTime(plain) : null;
    return at === null ? plain : `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  }
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** The newest version's base score with its severity, and its vector. */
function scoreOf(metrics: unknown): { said: string; vector: string | null } | null {
  if (!isFields(metrics)) return null;
  for (const version of ["cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2"]) {
    const [first] = fieldsIn(metrics[version]);
    if (!isFields(first?.cvssData)) continue;
    const { baseScore, baseSeverity, vectorString } = first.cvssData;
    if (typeof baseScore !== "number") continue;
    const severity = textIn(baseSeverity ?? first.baseSeverity)?.toLowerCase();
    const said = `${baseScore.toFixed(1)}${severity === undefined ? "" : `, ${severity}`}`;
    return { said, vector: textIn(vectorString) };
  }
  return null;
}

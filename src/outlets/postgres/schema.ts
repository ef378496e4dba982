/**
 * The tables and views in PostgreSQL. Each migration runs once, in order, in one transaction with the note that it ran; one
 * that was released is never changed.
 */

/** Reads what an odd record may hold: a value that is none of the type becomes null, and costs no other row its place. */
const functions = `
CREATE FUNCTION uee.elements(value jsonb) RETURNS SETOF jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_array_elements(CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]'::jsonb END) $$;
CREATE FUNCTION uee.time_of(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
  BEGIN RETURN (CASE WHEN value ~* '(Z|[+-]\\d\\d:?\\d\\d)$' THEN value ELSE value || 'Z' END)::timestamptz;
  EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE FUNCTION uee.date_of(value text) RETURNS date LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN RETURN left(value, 10)::date; EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE FUNCTION uee.number_of(value text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN RETURN value::numeric; EXCEPTION WHEN others THEN RETURN NULL; END $$;`;

const tables = `
CREATE TABLE uee.record (
  provider text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  urn text NOT NULL,
  last_modified timestamptz,
  first_seen timestamptz NOT NULL,
  last_changed timestamptz NOT NULL,
  removed_at timestamptz,
  digest bytea NOT NULL,
  data jsonb NOT NULL,
  exact text,
  PRIMARY KEY (provider, id)
);
CREATE INDEX record_last_changed ON uee.record (last_changed);
CREATE INDEX record_last_modified ON uee.record (provider, last_modified);
CREATE TABLE uee.sink (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  cursor text,
  moved_at timestamptz,
  loaded_at timestamptz
);
INSERT INTO uee.sink DEFAULT VALUES;`;

const views = `
CREATE VIEW uee.cve AS
SELECT r.id, r.urn, r.data->>'vulnStatus' AS status, uee.time_of(r.data->>'published') AS published, r.last_modified,
  r.data->>'sourceIdentifier' AS source,
  (SELECT d->>'value' FROM uee.elements(r.data->'descriptions') d WHERE d->>'lang' = 'en' LIMIT 1) AS description,
  m.version AS cvss_version, m.severity, m.score, m.vector,
  ARRAY(SELECT DISTINCT d->>'value' FROM uee.elements(r.data->'weaknesses') w, uee.elements(w->'description') d
    WHERE d->>'value' LIKE 'CWE-%' ORDER BY 1) AS cwes,
  r.first_seen, r.last_changed, r.data
FROM uee.record r
LEFT JOIN LATERAL (
  SELECT e->'cvssData'->>'version' AS version,
    coalesce(e->'cvssData'->>'baseSeverity', e->>'baseSeverity') AS severity,
    uee.number_of(e->'cvssData'->>'baseScore') AS score, e->'cvssData'->>'vectorString' AS vector
  FROM (VALUES ('cvssMetricV40', 1), ('cvssMetricV31', 2), ('cvssMetricV30', 3), ('cvssMetricV2', 4)) AS k(name, rank),
    uee.elements(r.data->'metrics'->k.name) e
  ORDER BY k.rank, (e->>'type' = 'Primary') DESC NULLS LAST LIMIT 1
) m ON true
WHERE r.provider = 'cve' AND r.removed_at IS NULL;

CREATE VIEW uee.cve_cwe AS
SELECT r.id AS cve_id, d->>'value' AS cwe_id, w->>'source' AS source, w->>'type' AS type
FROM uee.record r, uee.elements(r.data->'weaknesses') w, uee.elements(w->'description') d
WHERE r.provider = 'cve' AND r.removed_at IS NULL;

CREATE VIEW uee.cve_reference AS
SELECT r.id AS cve_id, e->>'url' AS url, e->>'source' AS source,
  ARRAY(SELECT t #>> '{}' FROM uee.elements(e->'tags') t) AS tags
FROM uee.record r, uee.elements(r.data->'references') e
WHERE r.provider = 'cve' AND r.removed_at IS NULL;

CREATE VIEW uee.cpe_match AS
SELECT r.id AS cve_id, m->>'criteria' AS criteria, (m->>'vulnerable') = 'true' AS vulnerable,
  split_part(m->>'criteria', ':', 3) AS part, split_part(m->>'criteria', ':', 4) AS vendor,
  split_part(m->>'criteria', ':', 5) AS product, split_part(m->>'criteria', ':', 6) AS version,
  m->>'versionStartIncluding' AS version_start_including, m->>'versionStartExcluding' AS version_start_excluding,
  m->>'versionEndIncluding' AS version_end_including, m->>'versionEndExcluding' AS version_end_excluding,
  m->>'matchCriteriaId' AS match_criteria_id
FROM uee.record r, uee.elements(r.data->'configurations') c, uee.elements(c->'nodes') n, uee.elements(n->'cpeMatch') m
WHERE r.provider = 'cve' AND r.removed_at IS NULL;

CREATE VIEW uee.kev AS
SELECT r.id AS cve_id, r.data->>'vendorProject' AS vendor, r.data->>'product' AS product,
  r.data->>'vulnerabilityName' AS name, uee.date_of(r.data->>'dateAdded') AS date_added,
  uee.date_of(r.data->>'dueDate') AS due_date, r.data->>'requiredAction' AS required_action,
  r.data->>'knownRansomwareCampaignUse' = 'Known' AS ransomware
FROM uee.record r WHERE r.provider = 'kev' AND r.removed_at IS NULL;

CREATE VIEW uee.epss AS
SELECT r.id AS cve_id, uee.number_of(r.data->>'epss') AS epss, uee.number_of(r.data->>'percentile') AS percentile
FROM uee.record r WHERE r.provider = 'epss' AND r.removed_at IS NULL;

CREATE VIEW uee.cwe AS
SELECT r.id, coalesce(r.data->>'Name', r.data->>'name') AS name, r.data->>'Abstraction' AS abstraction,
  r.data->>'Status' AS status, r.data->>'Description' AS description
FROM uee.record r WHERE r.provider = 'cwe' AND r.removed_at IS NULL;

CREATE VIEW uee.capec AS
SELECT r.id, r.data->>'Name' AS name, r.data->>'Abstraction' AS abstraction, r.data->>'Status' AS status,
  r.data->>'Likelihood_Of_Attack' AS likelihood, r.data->>'Typical_Severity' AS severity
FROM uee.record r WHERE r.provider = 'capec' AND r.removed_at IS NULL;

CREATE VIEW uee.attack_technique AS
SELECT (SELECT e->>'external_id' FROM uee.elements(r.data->'external_references') e
    WHERE e->>'source_name' LIKE 'mitre%attack' LIMIT 1) AS id,
  r.id AS stix_id, r.data->>'name' AS name,
  ARRAY(SELECT p->>'phase_name' FROM uee.elements(r.data->'kill_chain_phases') p) AS tactics,
  (r.data->>'x_mitre_is_subtechnique') = 'true' AS is_subtechnique,
  (r.data->>'revoked') IS NOT DISTINCT FROM 'true' AS revoked,
  (r.data->>'x_mitre_deprecated') IS NOT DISTINCT FROM 'true' AS deprecated,
  r.data->>'description' AS description
FROM uee.record r
WHERE r.provider = 'attack' AND r.removed_at IS NULL AND r.data->>'type' = 'attack-pattern';`;

/** What each column holds; `\\d+` in psql shows it. */
const comments: Readonly<Record<string, string | Readonly<Record<string, string>>>> = {
  "TABLE uee.sink": "Where the sink is in the change feed of the mirror; one row.",
  "uee.sink": {
    single: "always true: there is one row",
    cursor: "position in the change feed up to which all changes are here",
    moved_at: "when the cursor was last moved",
    loaded_at: "when everything was last loaded whole",
  },
  "TABLE uee.record": "Every record of the mirror, and those that were removed.",
  "uee.record": {
    provider: "source: cve, cwe, capec, attack, kev, epss",
    id: "identity within the provider",
    urn: "v2e::<authority>::<provider>::<id>",
    last_modified: "as the source says; null where it says nothing",
    first_seen: "when the mirror first had it",
    last_changed: "when its content last changed in the mirror",
    removed_at: "when it was removed; null while it is in the mirror",
    digest: "SHA-256 of its canonical JSON",
    data: "the record as the source gives it",
    exact: "canonical JSON where jsonb cannot hold it exactly (NUL, lone surrogates, -0); else null",
  },
  "uee.cve": {
    id: "CVE id",
    urn: "URN",
    status: "NVD's vulnStatus",
    published: "when it was published",
    last_modified: "when NVD last modified it",
    source: "sourceIdentifier: who assigned it",
    description: "English description",
    cvss_version: "version of the CVSS metric shown: the newest, primary before secondary",
    severity: "its severity",
    score: "its base score",
    vector: "its vector",
    cwes: "its CWE ids",
    first_seen: "when the mirror first had it",
    last_changed: "when its content last changed in the mirror",
    data: "the whole record",
  },
  "uee.cve_cwe": {
    cve_id: "CVE id",
    cwe_id: "CWE id, or NVD-CWE-Other, NVD-CWE-noinfo",
    source: "who says so",
    type: "Primary or Secondary",
  },
  "uee.cve_reference": { cve_id: "CVE id", url: "address", source: "who added it", tags: "NVD's tags" },
  "uee.cpe_match": {
    cve_id: "CVE id",
    criteria: "CPE 2.3 name of the criterion",
    vulnerable: "false: only the environment of a vulnerable product",
    part: "a application, o operating system, h hardware",
    vendor: "vendor",
    product: "product",
    version: "version, or * where the bounds say which",
    version_start_including: "first affected version",
    version_start_excluding: "last version before the affected ones",
    version_end_including: "last affected version",
    version_end_excluding: "first version after the affected ones",
    match_criteria_id: "NVD's id of the criterion",
  },
  "uee.kev": {
    cve_id: "CVE id",
    vendor: "vendor or project",
    product: "product",
    name: "name of the vulnerability",
    date_added: "when CISA added it",
    due_date: "until when federal agencies must act",
    required_action: "what they must do",
    ransomware: "known to be used in ransomware campaigns",
  },
  "uee.epss": {
    cve_id: "CVE id",
    epss: "probability of exploitation in the next 30 days, 0 to 1",
    percentile: "share of CVEs with the same or a lower score",
  },
  "uee.cwe": {
    id: "CWE id",
    name: "name",
    abstraction: "Pillar, Class, Base or Variant; null for categories and views",
    status: "status",
    description: "description",
  },
  "uee.capec": {
    id: "CAPEC id",
    name: "name",
    abstraction: "Meta, Standard or Detailed",
    status: "status",
    likelihood: "likelihood of attack",
    severity: "typical severity",
  },
  "uee.attack_technique": {
    id: "ATT&CK id: T1059.001",
    stix_id: "STIX id",
    name: "name",
    tactics: "names of its kill chain phases",
    is_subtechnique: "true for T1059.001",
    revoked: "replaced by another one",
    deprecated: "no longer kept",
    description: "description",
  },
};

const commentText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const commentStatements = Object.entries(comments).flatMap(([name, what]) =>
  typeof what === "string"
    ? [`COMMENT ON ${name} IS ${commentText(what)};`]
    : Object.entries(what).map(
        ([column, text]) => `COMMENT ON COLUMN ${name}.${column} IS ${commentText(text)};`,
      ),
);

export const migrations: readonly string[] = [[functions, tables, views, ...commentStatements].join("\n")];

/** NVD's parameters as a filter over one record at a time, written from NVD's documentation and as plainly as possible. */

export interface CpeMatch {
  vulnerable: boolean;
  criteria: string;
  versionStartIncluding?: string;
  versionStartExcluding?: string;
  versionEndIncluding?: string;
  versionEndExcluding?: string;
}

export interface Raw extends Record<string, unknown> {
  id: string;
  sourceIdentifier: string;
  published: string;
  lastModified: string;
  vulnStatus: string;
  cveTags?: { tags: string[] }[];
  descriptions: { lang: string; value: string }[];
  metrics?: Record<
    string,
    { baseSeverity?: string; cvssData: { baseSeverity?: string; vectorString: string } }[]
  >;
  weaknesses?: { description: { value: string }[] }[];
  configurations?: { negate?: boolean; nodes: { negate?: boolean; cpeMatch: CpeMatch[] }[] }[];
  references?: { url: string; tags?: string[] }[];
}

type Given = ReadonlyMap<string, string>;

export function matchesReference(record: Raw, given: Given, kev: ReadonlyMap<string, number>): boolean {
  for (const [name, value] of given) if (!matchesOne(record, name, value, given, kev)) return false;
  return true;
}

const equal = (a: string | undefined, b: string): boolean =>
  a !== undefined && a.toLowerCase() === b.toLowerCase();
const utc = (text: string): number => Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);

function matchesOne(
  record: Raw,
  name: string,
  value: string,
  given: Given,
  kev: ReadonlyMap<string, number>,
): boolean {
  const between = (at: number | undefined, kind: string) =>
    at !== undefined && at >= utc(given.get(`${kind}StartDate`)!) && at <= utc(given.get(`${kind}EndDate`)!);
  const linksTo = (pattern: RegExp) =>
    (record.references ?? []).some(({ url }) => pattern.test(url.toLowerCase()));
  switch (name) {
    case "cveId":
      return equal(record.id, value);
    case "cveIds":
      return value.split(",").some((id) => equal(record.id, id));
    case "lastModStartDate":
      return between(utc(record.lastModified), "lastMod");
    case "pubStartDate":
      return between(utc(record.published), "pub");
    case "kevStartDate":
      return between(kev.get(record.id), "kev");
    case "hasKev":
      return kev.has(record.id);
    case "noRejected":
      return record.vulnStatus !== "Rejected";
    case "hasCertAlerts":
      return linksTo(/us-cert\.(cisa\.)?gov\/(ncas\/alerts|cas\/(techalerts|alerts))/);
    case "hasCertNotes":
      return linksTo(/kb\.cert\.org\/vuls/);
    case "hasOval":
      return linksTo(/\/\/oval\./) || (record.references ?? []).some(({ tags }) => tags?.includes("OVAL"));
    case "cvssV2Severity":
      return metricsOf(record, "2").some((one) =>
        equal(one.baseSeverity ?? one.cvssData.baseSeverity, value),
      );
    case "cvssV3Severity":
      return metricsOf(record, "3").some((one) => equal(one.cvssData.baseSeverity, value));
    case "cvssV4Severity":
      return metricsOf(record, "4").some((one) => equal(one.cvssData.baseSeverity, value));
    case "cvssV2Metrics":
      return metricsOf(record, "2").some((one) => hasAll(one.cvssData.vectorString, value));
    case "cvssV3Metrics":
      return metricsOf(record, "3").some((one) => hasAll(one.cvssData.vectorString, value));
    case "cweId":
      return (record.weaknesses ?? []).some(({ description }) =>
        description.some((one) => equal(one.value, value)),
      );
    case "cveTag":
      return (record.cveTags ?? []).some(({ tags }) => tags.includes(value));
    case "sourceIdentifier":
      return equal(record.sourceIdentifier, value);
    case "vulnStatus":
      return equal(record.vulnStatus, value);
    case "keywordSearch":
      return hasKeywords(record, value, given.has("keywordExactMatch"));
    case "cpeName":
      return criteriaOf(record).some(
        (one) => (!given.has("isVulnerable") || one.vulnerable) && covers(one, value, {}),
      );
    case "virtualMatchString":
      return criteriaOf(record).some((one) => covers(one, value, boundsOf(given)));
    default:
      return true;
  }
}

const metricsOf = (record: Raw, version: string) =>
  Object.entries(record.metrics ?? {}).flatMap(([name, all]) =>
    name.startsWith(`cvssMetricV${version}`) ? all : [],
  );

const hasAll = (vector: string, wanted: string): boolean => {
  const own = vector.toUpperCase().split("/");
  return wanted
    .toUpperCase()
    .split("/")
    .every((part) => part.startsWith("CVSS:") || own.includes(part));
};

const expressions = new Map<string, RegExp>();

function wordsLike(word: string, exact: boolean): RegExp {
  const name = `${exact} ${word}`;
  let found = expressions.get(name);
  if (!found) {
    const letter = "[A-Za-z0-9_\\u0080-\\uffff]";
    const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    found = new RegExp(`(?<!${letter})${escaped}${exact ? `(?!${letter})` : ""}`, "i");
    expressions.set(name, found);
  }
  return found;
}

function hasKeywords(record: Raw, value: string, exact: boolean): boolean {
  const texts = record.descriptions.filter(({ lang }) => lang === "en").map((one) => one.value);
  const text = texts.join(" ").replace(/\s+/g, " ");
  return (exact ? [value] : value.split(" ")).every((word) => wordsLike(word, exact).test(text));
}

/** Criteria of nodes that are not negated. */
const criteriaOf = (record: Raw): CpeMatch[] =>
  (record.configurations ?? []).flatMap(({ negate = false, nodes }) =>
    nodes.filter((node) => (node.negate ?? false) === negate).flatMap((node) => node.cpeMatch),
  );

interface Bounds {
  start?: { version: string; inclusive: boolean };
  end?: { version: string; inclusive: boolean };
}

function boundsOf(given: Given): Bounds {
  const of = (kind: string) => {
    const version = given.get(`version${kind}`);
    return version === undefined
      ? undefined
      : { version, inclusive: given.get(`version${kind}Type`) === "including" };
  };
  return { start: of("Start"), end: of("End") } as Bounds;
}

const unescaped = (value: string): string => value.replaceAll("\\", "");

function covers(match: CpeMatch, name: string, wanted: Bounds): boolean {
  const own = match.criteria.toLowerCase().split(/(?<!\\):/);
  const asked = name.toLowerCase().split(/(?<!\\):/);
  for (let i = 2; i < asked.length; i++) {
    if (i === 5 || asked[i] === "*" || own[i] === "*" || asked[i] === own[i]) continue;
    return false;
  }
  const version = asked[5] ?? "*";
  const range: Bounds =
    own[5] === "*"
      ? {
          ...(match.versionStartIncluding === undefined
            ? {}
            : { start: { version: match.versionStartIncluding, inclusive: true } }),
          ...(match.versionStartExcluding === undefined
            ? {}
            : { start: { version: match.versionStartExcluding, inclusive: false } }),
          ...(match.versionEndIncluding === undefined
            ? {}
            : { end: { version: match.versionEndIncluding, inclusive: true } }),
          ...(match.versionEndExcluding === undefined
            ? {}
            : { end: { version: match.versionEndExcluding, inclusive: false } }),
        }
      : {
          start: { version: unescaped(own[5]!), inclusive: true },
          end: { version: unescaped(own[5]!), inclusive: true },
        };
  if (version === "-" || own[5] === "-") {
    if (version === own[5]) return true;
    const other = version === "-" ? range : wanted;
    return (version === "*" || own[5] === "*") && other.start === undefined && other.end === undefined;
  }
  const inRange = (one: string, { start, end }: Bounds) =>
    (start === undefined || order(one, start.version) > (start.inclusive ? -1 : 0)) &&
    (end === undefined || order(one, end.version) < (end.inclusive ? 1 : 0));
  if (version !== "*") {
    if (own[5] !== "*") return version === own[5] && inRange(unescaped(version), wanted);
    return inRange(unescaped(version), range) && meet(range, wanted);
  }
  return meet(range, wanted);
}

/** Whether two ranges have a version in common. */
function meet(a: Bounds, b: Bounds): boolean {
  const before = (end: Bounds["end"], start: Bounds["start"]) => {
    if (!end || !start) return false;
    const found = order(end.version, start.version);
    return found < 0 || (found === 0 && !(end.inclusive && start.inclusive));
  };
  return !before(a.end, b.start) && !before(b.end, a.start);
}

/** As NVD's documents order versions: numbers as numbers, words as words, words of test releases before their release. */
function order(a: string, b: string): number {
  const parts = (text: string) => text.toLowerCase().match(/[0-9]+|[a-z]+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  const early = [
    "alpha",
    "beta",
    "rc",
    "pre",
    "preview",
    "dev",
    "snapshot",
    "milestone",
    "canary",
    "nightly",
  ];
  const kind = (part: string | undefined) => {
    if (part === undefined) return 1;
    if (/[0-9]/.test(part)) return 3;
    return early.includes(part) ? 0 : 2;
  };
  const length = Math.max(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [left[i], right[i]];
    if (kind(x) !== kind(y)) return Math.sign(kind(x) - kind(y));
    if (kind(x) === 3 && x!.replace(/^0+(?=.)/, "") !== y!.replace(/^0+(?=.)/, "")) {
      const [p, q] = [x!.replace(/^0+(?=.)/, ""), y!.replace(/^0+(?=.)/, "")];
      if (p.length !== q.length) return p.length < q.length ? -1 : 1;
      return p < q ? -1 : 1;
    }
    if (kind(x) !== 3 && x !== y) return x! < y! ? -1 : 1;
  }
  return 0;
}

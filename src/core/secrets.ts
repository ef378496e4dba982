/**
 * All redaction of secrets. Foreign texts are cleaned by the form of a secret (`redactSecrets`), addresses by their
 * structure (`redactUrl`), objects by the names of their members (`redactValue`), and known secret values by that
 * value (`makeScrubber`).
 */
import { sha256 } from "./sha256.ts";

const CENSORED = "[redacted]";
const HIDDEN = "***";

/** Parameters that UEE itself adds to an address. All others belong to the operator and may be credentials. */
const ownParameters: ReadonlySet<string> = new Set([
  "startIndex",
  "resultsPerPage",
  "lastModStartDate",
  "lastModEndDate",
]);

/** `a=1&startIndex=0` → `a=***&startIndex=0`. */
const redactQuery = (query: string): string =>
  query
    .split("&")
    .map((pair) => {
      const [name = "", value] = pair.split(/=(.*)/s);
      if (pair === "" || ownParameters.has(name)) return pair;
      // A word without `=` may be the secret itself.
      return value === undefined ? HIDDEN : `${name}=${HIDDEN}`;
    })
    .join("&");

/** The address without user, password, fragment and the values of its query. Never throws. */
export function redactUrl(address: URL | string): string {
  const text = String(address).trim();
  const parts = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)([^?#]*)(?:\?([^#]*))?/i.exec(text);
  if (!parts || !URL.canParse(text)) {
    // This may be a password with characters that should have been escaped.
    const [, scheme = "", rest = text] = /^([a-z][a-z0-9+.-]*:\/\/)?.*@(.*)/is.exec(text) ?? [];
    const shown = rest.replace(/[?#].*/s, `?${HIDDEN}`);
    return rest === text ? shown : `${scheme}${HIDDEN}@${shown}`;
  }
  const [, scheme = "", authority = "", path = "", query] = parts;
  const host = authority.replace(/^.*@/s, `${HIDDEN}@`);
  return `${scheme}${host}${path}${query ? `?${redactQuery(query)}` : ""}`;
}

/** A Redis address for display: passwords are `***`; the user is not secret. Never throws. */
export function redactRedisUrl(url: string): string {
  return url
    .replace(/^([a-z+]+:\/\/)(.*)@/is, (_all, start: string, credentials: string) => {
      // Without a colon this should be a user, but it may be a password.
      const user = credentials.slice(0, Math.max(credentials.indexOf(":"), 0));
      return `${start}${user}:${HIDDEN}@`;
    })
    .replace(/([?&][a-z]*password=)[^&]*/gi, `$1${HIDDEN}`);
}

/** Shorter values also occur as words in ordinary text. */
const LEAST_CREDENTIAL = 4;
const LEAST_PARAMETER = 6;

/** The secret values of an address, verbatim and decoded: user, password, values of the query. */
export function secretsInUrl(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const { username, password, search, searchParams } = new URL(address);
  const own = [...searchParams].filter(([name]) => !ownParameters.has(name)).map(([, value]) => value);
  const raw = search
    .slice(1)
    .split("&")
    .filter((pair) => !ownParameters.has(pair.split("=", 1)[0]!))
    .map((pair) => pair.slice(pair.indexOf("=") + 1));
  return [
    ...[username, password].flatMap((text) => [text, decoded(text)]).filter(atLeast(LEAST_CREDENTIAL)),
    ...[...own, ...raw].filter(atLeast(LEAST_PARAMETER)),
  ];
}

const atLeast =
  (length: number) =>
  (text: string): boolean =>
    text.length >= length;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Values that are long enough to be distinguished from ordinary text. */
export const secretValues = (values: readonly (string | undefined)[]): string[] =>
  values.filter((value): value is string => value !== undefined && value.length >= LEAST_CREDENTIAL);

const secretWord =
  "(?:[\\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|credentials?)|pwd|(?:proxy-)?authorization|(?:set-)?cookie|signature)";

type Rule = readonly [RegExp, string | ((all: string, ...groups: string[]) => string)];

const rules: readonly Rule[] = [
  // The part before the last @ of an address, including passwords with characters that should have been escaped. A
  // redacted part (`user:***@`) stays.
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*\*{3}@)[^\s"'<>@/]*:[^\s"'<>]*@/gi, `$1${CENSORED}@`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*\*{3}@)[^\s"'<>/]*@/gi, `$1${CENSORED}@`],
  // The query of an address; punctuation after it belongs to the sentence.
  [
    /(\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>?]*\?)([^\s"'<>]*?)([.,;:)\]}]*)(?=[\s"'<>]|$)/gi,
    (_all, before, query, after) => `${before}${redactQuery(query)}${after}`,
  ],
  // Redis repeats the arguments of a command that it does not know; those of AUTH are the password.
  [/(with args beginning with:).*/gis, `$1 ${CENSORED}`],
  [/\b(AUTH|HELLO \d AUTH)((?: +\S+){1,3})/g, `$1 ${CENSORED}`],
  [/\b((?:Bearer|Basic|Digest) +)[\w+/=.~-]{6,}/gi, `$1${CENSORED}`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)"[^"]*"?`, "gi"), `$1"${CENSORED}"`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)'[^']*'?`, "gi"), `$1'${CENSORED}'`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)(?!["'\\[]|\\*{3})[^\\s&,;)}]+`, "gi"), `$1${CENSORED}`],
];

/**
 * The text without passwords in addresses, values of their queries, credentials in headers and values of parameters
 * with a secret's name. It decides by form alone: for foreign texts such as error messages of libraries and replies
 * of servers.
 */
export function redactSecrets(text: string): string {
  let shown = text;
  for (const [pattern, instead] of rules) shown = shown.replace(pattern, instead as string);
  return shown;
}

const secretName =
  /^(.*[-_.])?(api[-_]?key|apikey|authorization|cookie|credentials?|passw(or)?d|secret|token|access[-_]?key|private[-_]?key)$/i;
const camelCaseSecret = /[a-z](ApiKey|Authorization|Password|Secret|Token|AccessKey|PrivateKey)$/;
const isSecretName = (name: string): boolean => secretName.test(name) || camelCaseSecret.test(name);

/** A copy without values under secret names and without text that looks like a secret, at any depth. */
export function redactValue(value: unknown): unknown {
  if (typeof value === "string") return redactSecrets(value);
  if (Array.isArray(value)) return value.map(redactValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecretName(key) ? CENSORED : redactValue(inner)]),
  );
}

/** Removes known values from any text, including JSON. */
export function makeScrubber(secrets: readonly string[]): (text: string) => string {
  // In JSON a quote or a backslash of the value is preceded by a backslash.
  const forms = new Set(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]));
  const known = [...forms].filter((form) => form.length > 0).sort((a, b) => b.length - a.length);
  return (text) => known.reduce((clean, secret) => clean.replaceAll(secret, CENSORED), text);
}

/** Distinguishes two secrets without revealing them: 16 hex digits of their SHA-256; "none" for no secret. */
export const fingerprint = (secret: string | undefined): string =>
  secret ? sha256(secret).slice(0, 16) : "none";

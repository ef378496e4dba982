/**
 * What must not show, and how it is taken out of what is shown or stored: the one home of redaction. Texts of others are
 * cleaned by the form of a secret (`redactSecrets`), addresses by their structure (`redactUrl`), objects by the names of
 * their members (`redactValue`), and wherever a value is known to be secret, by that value (`makeScrubber`).
 */
import { createHash } from "node:crypto";

const CENSORED = "[redacted]";
const HIDDEN = "***";

/** Parameters that UEE itself adds to an address. All others are the operator's, and may be credentials. */
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
      // A bare word may be the secret itself.
      return value === undefined ? HIDDEN : `${name}=${HIDDEN}`;
    })
    .join("&");

/** The address without user, password, fragment and the values of its query. Never throws, whatever the text. */
export function redactUrl(address: URL | string): string {
  const text = String(address).trim();
  const parts = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)([^?#]*)(?:\?([^#]*))?/i.exec(text);
  if (!parts || !URL.canParse(text)) {
    // Perhaps a password with characters that should have been escaped.
    const [, scheme = "", rest = text] = /^([a-z][a-z0-9+.-]*:\/\/)?.*@(.*)/is.exec(text) ?? [];
    const shown = rest.replace(/[?#].*/s, `?${HIDDEN}`);
    return rest === text ? shown : `${scheme}${HIDDEN}@${shown}`;
  }
  const [, scheme = "", authority = "", path = "", query] = parts;
  const host = authority.replace(/^.*@/s, `${HIDDEN}@`);
  return `${scheme}${host}${path}${query ? `?${redactQuery(query)}` : ""}`;
}

/** A Redis address as it may be shown: passwords are `***`; the user is no secret. Never throws, whatever the text. */
export function redactRedisUrl(url: string): string {
  return url
    .replace(/^([a-z+]+:\/\/)(.*)@/is, (_all, start: string, credentials: string) => {
      // Without a colon it should be a user, but some people write the password there.
      const user = credentials.slice(0, Math.max(credentials.indexOf(":"), 0));
      return `${start}${user}:${HIDDEN}@`;
    })
    .replace(/([?&][a-z]*password=)[^&]*/gi, `$1${HIDDEN}`);
}

/** Shorter values are words that stand in ordinary text as well. */
const LEAST_CREDENTIAL = 4;
const LEAST_PARAMETER = 6;

/** The secret values of an address, as they stand in it and decoded: user, password, values of the query. */
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

/** Values that are long enough to be told from ordinary text. */
export const secretValues = (values: readonly (string | undefined)[]): string[] =>
  values.filter((value): value is string => value !== undefined && value.length >= LEAST_CREDENTIAL);

const secretWord =
  "(?:[\\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|credentials?)|pwd|(?:proxy-)?authorization|(?:set-)?cookie|signature)";

type Rule = readonly [RegExp, string | ((all: string, ...groups: string[]) => string)];

const rules: readonly Rule[] = [
  // What stands before the last @ of an address, also where a password holds what should have been escaped.
  // One that is censored already (`user:***@`) stays.
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*\*{3}@)[^\s"'<>@/]*:[^\s"'<>]*@/gi, `$1${CENSORED}@`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*\*{3}@)[^\s"'<>/]*@/gi, `$1${CENSORED}@`],
  // The query of an address; punctuation after it belongs to the sentence.
  [
    /(\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>?]*\?)([^\s"'<>]*?)([.,;:)\]}]*)(?=[\s"'<>]|$)/gi,
    (_all, before, query, after) => `${before}${redactQuery(query)}${after}`,
  ],
  // Redis repeats the arguments of a command that it does not know; AUTH's are the password.
  [/(with args beginning with:).*/gis, `$1 ${CENSORED}`],
  [/\b(AUTH|HELLO \d AUTH)((?: +\S+){1,3})/g, `$1 ${CENSORED}`],
  [/\b((?:Bearer|Basic|Digest) +)[\w+/=.~-]{6,}/gi, `$1${CENSORED}`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)"[^"]*"?`, "gi"), `$1"${CENSORED}"`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)'[^']*'?`, "gi"), `$1'${CENSORED}'`],
  [new RegExp(`(${secretWord}["']?\\s*[=:]\\s*)(?!["'\\[]|\\*{3})[^\\s&,;)}]+`, "gi"), `$1${CENSORED}`],
];

/**
 * The text without passwords in addresses, values of their queries, credentials in headers and values of parameters named
 * like a secret. By their form alone: for texts that others wrote, as error messages of libraries and replies of servers.
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

/** A copy in which values under secret names and what has the form of a secret are gone, however deep they lie. */
export function redactValue(value: unknown): unknown {
  if (typeof value === "string") return redactSecrets(value);
  if (Array.isArray(value)) return value.map(redactValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecretName(key) ? CENSORED : redactValue(inner)]),
  );
}

/** Takes known values out of any text, JSON included. */
export function makeScrubber(secrets: readonly string[]): (text: string) => string {
  // In JSON a quote or a backslash of the value stands with a backslash before it.
  const forms = new Set(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]));
  const known = [...forms].filter((form) => form.length > 0).sort((a, b) => b.length - a.length);
  return (text) => known.reduce((clean, secret) => clean.replaceAll(secret, CENSORED), text);
}

/** Tells two secrets apart without telling them: 16 hex digits of their SHA-256; "none" for no secret. */
export const fingerprint = (secret: string | undefined): string =>
  secret ? createHash("sha256").update(secret).digest("hex").slice(0, 16) : "none";

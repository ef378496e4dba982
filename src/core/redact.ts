/**
 * Takes secrets out of texts that others wrote: error messages of libraries, replies of servers. By their form alone, so
 * for what is known to be a secret its owner does more (upstream/secrets.ts, config/describe.ts).
 */
const CENSORED = "[redacted]";

const secretName =
  "(?:[\\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|credentials?)|pwd|(?:proxy-)?authorization|(?:set-)?cookie|signature)";

const rules: readonly (readonly [RegExp, string])[] = [
  // What stands before the last @ of an address, also where a password holds what should have been escaped.
  // One that is censored already (`user:***@`) stays.
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*:\*{3}@)[^\s"'<>@/]*:[^\s"'<>]*@/gi, `$1${CENSORED}@`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)(?![^\s"'<>@/]*:\*{3}@)[^\s"'<>/]*@/gi, `$1${CENSORED}@`],
  // Redis repeats the arguments of a command that it does not know; AUTH's are the password.
  [/(with args beginning with:).*/gis, `$1 ${CENSORED}`],
  [/\b(AUTH|HELLO \d AUTH)((?: +\S+){1,3})/g, `$1 ${CENSORED}`],
  [/\b((?:Bearer|Basic|Digest) +)[\w+/=.~-]{6,}/gi, `$1${CENSORED}`],
  [new RegExp(`(${secretName}["']?\\s*[=:]\\s*)"[^"]*"?`, "gi"), `$1"${CENSORED}"`],
  [new RegExp(`(${secretName}["']?\\s*[=:]\\s*)'[^']*'?`, "gi"), `$1'${CENSORED}'`],
  [new RegExp(`(${secretName}["']?\\s*[=:]\\s*)(?!["'\\[])[^\\s&,;)}]+`, "gi"), `$1${CENSORED}`],
];

/** The text without passwords in addresses, credentials in headers and values of parameters named like a secret. */
export function redactSecrets(text: string): string {
  let shown = text;
  for (const [pattern, instead] of rules) shown = shown.replace(pattern, instead);
  return shown;
}

/** Takes secrets out of what is shown: by the names under which they usually stand, and wherever a known value appears. */

const REDACTED = "[redacted]";

const secretName =
  /^(.*[-_.])?(api[-_]?key|apikey|authorization|cookie|credentials?|passw(or)?d|secret|token|access[-_]?key|private[-_]?key)$/i;
const camelCaseSecret = /[a-z](ApiKey|Authorization|Password|Secret|Token|AccessKey|PrivateKey)$/;
const credentialsInUrl = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi;

const isSecretName = (name: string): boolean => secretName.test(name) || camelCaseSecret.test(name);

const withoutCredentials = (text: string): string => text.replace(credentialsInUrl, `$1${REDACTED}@`);

/** A copy in which values under secret names and credentials in addresses are gone, however deep they lie. */
export function redactValue(value: unknown): unknown {
  if (typeof value === "string") return withoutCredentials(value);
  if (Array.isArray(value)) return value.map(redactValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecretName(key) ? REDACTED : redactValue(inner)]),
  );
}

/** Takes known values out of any text, JSON included. */
export function makeScrubber(secrets: readonly string[]): (text: string) => string {
  // In JSON a quote or a backslash of the value stands with a backslash before it.
  const forms = new Set(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]));
  const known = [...forms].filter((form) => form.length > 0).sort((a, b) => b.length - a.length);
  return (text) => known.reduce((clean, secret) => clean.replaceAll(secret, REDACTED), text);
}

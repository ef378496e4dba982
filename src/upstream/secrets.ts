/** What must not show: credentials in addresses, headers and whatever an upstream echoes of them. */
import { createHash } from "node:crypto";

/** Headers that may be sent to any origin and shown anywhere; every other one is a credential. */
const publicHeaders = new Set([
  "accept",
  "accept-encoding",
  "if-none-match",
  "if-modified-since",
  "user-agent",
]);

export const isPublicHeader = (name: string): boolean => publicHeaders.has(name.toLowerCase());

const secretParameter = /key|token|secret|password|passwd|auth|signature|credential/i;

/** The address without user, password and the values of parameters that look like secrets. */
export function redactUrl(url: URL | string): string {
  let shown: URL;
  try {
    shown = new URL(url);
  } catch {
    return "(not an address)";
  }
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  for (const name of [...shown.searchParams.keys()]) {
    if (secretParameter.test(name)) shown.searchParams.set(name, "redacted");
  }
  return shown.href;
}

/** The text without the values of the request's credentials. */
export function redactText(text: string, headers: Record<string, string>): string {
  let shown = text;
  for (const [name, value] of Object.entries(headers)) {
    if (!isPublicHeader(name) && value.length > 3) shown = shown.replaceAll(value, "[redacted]");
  }
  return shown;
}

/** Tells two secrets apart without telling them: 16 hex digits of their SHA-256; "none" for no secret. */
export const fingerprint = (secret: string | undefined): string =>
  secret ? createHash("sha256").update(secret).digest("hex").slice(0, 16) : "none";

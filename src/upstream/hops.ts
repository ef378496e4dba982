import { BlockList, isIP } from "node:net";
import { UeeError } from "../core/errors.ts";
import type { FetchRequest } from "../core/fetching.ts";
import { redactUrl, secretsInUrl, secretValues } from "../core/secrets.ts";

/** One request of a call: the first, or the target of a redirect. */
export interface Hop {
  url: URL;
  headers: Record<string, string>;
  /** Credentials of this request and of the previous ones: an answer may echo them. */
  secrets: readonly string[];
}

/** Headers that may be sent to any origin and shown anywhere; every other header is a credential. */
const publicHeaders = new Set([
  "accept",
  "accept-encoding",
  "if-none-match",
  "if-modified-since",
  "user-agent",
]);

const isPublicHeader = (name: string): boolean => publicHeaders.has(name.toLowerCase());

const maxHops = 5;

export function makeHop(request: FetchRequest, userAgent: string): Hop {
  if (!URL.canParse(request.url))
    throw new UeeError("PROV_BAD_REQUEST", "The upstream's URL is not a valid one.");
  const url = new URL(request.url);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new UeeError("PROV_BAD_REQUEST", `The upstream's URL must be http or https, not ${url.protocol}`);
  }
  const headers: Record<string, string> = { ...request.headers };
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const add = (name: string, value: string): void => {
    if (!given.has(name)) headers[name] = value;
  };
  add("accept", "*/*");
  add("accept-encoding", "gzip");
  add("user-agent", userAgent);
  if (url.username || url.password) {
    const credentials = [url.username, url.password].map(decodeURIComponent).join(":");
    add("authorization", `Basic ${Buffer.from(credentials).toString("base64")}`);
    url.username = "";
    url.password = "";
  }
  url.hash = "";
  const credentials = Object.entries(headers).filter(([name]) => !isPublicHeader(name));
  // The second word of `Basic c2VjcmV0` is a secret on its own too.
  const values = credentials.flatMap(([, value]) => [value, value.split(" ").at(-1)]);
  const secrets = [...secretsInUrl(request.url), ...secretValues(values)];
  return { url, headers, secrets };
}

export const isConditional = (hop: Hop): boolean =>
  Object.keys(hop.headers).some((name) => /^if-(none-match|modified-since)$/i.test(name));

export const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

/**
 * The next hop of a redirect. Throws PROV_REDIRECTS for loops, too many hops, a missing address, and every target
 * that `leadTo` refuses.
 */
export function nextHop(from: Hop, location: string | undefined, visited: ReadonlySet<string>): Hop {
  const refuse = refusalOf(from, "redirects");
  const next = leadTo(from, location, refuse);
  const shown = redactUrl(next.url);
  if (visited.has(next.url.href)) throw refuse(`in a circle to ${shown}`);
  if (visited.size > maxHops) throw refuse(`on after ${maxHops} hops to ${shown}`);
  return next;
}

/**
 * The request for an address that was found in an answer, under the rules of redirects. A mirror that requires a
 * query (`?token=`) with every request names its files without it, so the query is kept for the same origin unless
 * the address has its own.
 */
export function linkedHop(from: Hop, request: FetchRequest, userAgent: string): Hop {
  const next = leadTo(from, request.url, refusalOf(from, "leads"));
  if (next.url.origin === from.url.origin && next.url.search === "") next.url.search = from.url.search;
  const kept = Object.entries(next.headers).filter(([name]) => !isPublicHeader(name));
  const hop = makeHop(
    { ...request, url: next.url.href, headers: { ...Object.fromEntries(kept), ...request.headers } },
    userAgent,
  );
  return { ...hop, secrets: [...from.secrets, ...hop.secrets] };
}

const refusalOf =
  (from: Hop, verb: string) =>
  (why: string): UeeError =>
    new UeeError("PROV_REDIRECTS", `${redactUrl(from.url)} ${verb} ${why}.`, {
      data: { url: redactUrl(from.url) },
    });

/**
 * The target of a redirect or of an address in a body. Refused are schemes other than http and https, http after
 * https, and this machine or its link unless the answer came from there. Another origin receives only headers that
 * are no credentials; later hops do not get them back.
 */
function leadTo(from: Hop, address: string | undefined, refuse: (why: string) => UeeError): Hop {
  if (!address || !URL.canParse(address, from.url.href)) throw refuse("to no address");
  const url = new URL(address, from.url);
  url.hash = "";
  // Credentials that an upstream puts into an address are not sent.
  url.username = "";
  url.password = "";
  const shown = redactUrl(url);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse(`to ${url.protocol}`);
  if (from.url.protocol === "https:" && url.protocol === "http:") {
    throw refuse(`without encryption to ${shown}`);
  }
  const place = nearPlace(url.hostname);
  if (place !== undefined && nearPlace(from.url.hostname) !== place) throw refuse(`to ${place}, ${shown}`);
  const secrets = [...from.secrets, ...secretsInUrl(url.href)];
  if (url.origin === from.url.origin) return { url, headers: from.headers, secrets };
  const kept = Object.entries(from.headers).filter(([name]) => isPublicHeader(name));
  return { url, headers: Object.fromEntries(kept), secrets };
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addSubnet("0.0.0.0", 8);
loopback.addAddress("::1", "ipv6");
loopback.addAddress("::", "ipv6");
const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16);
linkLocal.addSubnet("fe80::", 10, "ipv6");

/**
 * Names of this machine and its network, to which a remote upstream must not redirect. IPv4 inside IPv6 counts as
 * IPv4.
 */
function nearPlace(hostname: string): "this machine" | "this machine's own link" | undefined {
  const name = hostname.replace(/\.$/, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return "this machine";
  const address = name.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(address);
  if (family === 0) return undefined;
  const kind = family === 6 ? "ipv6" : "ipv4";
  if (loopback.check(address, kind)) return "this machine";
  return linkLocal.check(address, kind) ? "this machine's own link" : undefined;
}

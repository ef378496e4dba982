import { UeeError } from "../core/errors.ts";
import type { FetchRequest } from "../core/fetching.ts";
import { isPublicHeader, redactUrl } from "./secrets.ts";

/** One request on the way to an answer: the first, or where a redirect leads. */
export interface Hop {
  url: URL;
  headers: Record<string, string>;
}

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
  return { url, headers };
}

export const isConditional = (hop: Hop): boolean =>
  Object.keys(hop.headers).some((name) => /^if-(none-match|modified-since)$/i.test(name));

export const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

/**
 * Where a redirect leads. Throws PROV_REDIRECTS for loops, too many hops, none to go to, and from https to http. Towards
 * another origin only headers go along that are no credentials, and they do not come back later.
 */
export function nextHop(from: Hop, location: string | undefined, visited: ReadonlySet<string>): Hop {
  const refuse = (why: string): UeeError =>
    new UeeError("PROV_REDIRECTS", `${redactUrl(from.url)} redirects ${why}.`, {
      data: { url: redactUrl(from.url) },
    });
  if (!location || !URL.canParse(location, from.url.href)) throw refuse("to no address");
  const url = new URL(location, from.url);
  url.hash = "";
  // Credentials that the upstream puts into an address are not ours to send.
  url.username = "";
  url.password = "";
  const shown = redactUrl(url);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse(`to ${url.protocol}`);
  if (from.url.protocol === "https:" && url.protocol === "http:") {
    throw refuse(`without encryption to ${shown}`);
  }
  if (visited.has(url.href)) throw refuse(`in a circle to ${shown}`);
  if (visited.size > maxHops) throw refuse(`on after ${maxHops} hops to ${shown}`);
  if (url.origin === from.url.origin) return { url, headers: from.headers };
  const kept = Object.entries(from.headers).filter(([name]) => isPublicHeader(name));
  return { url, headers: Object.fromEntries(kept) };
}

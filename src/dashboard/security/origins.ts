/** The origin of a request as browsers report it. Scripts send none of these headers. */
import type { FastifyRequest } from "fastify";
import { isLoopbackHost } from "../../core/access.ts";
import { UeeError } from "../../core/errors.ts";

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
};

/** `localhost:8080` → `localhost`, `[::1]:8080` → `[::1]`. */
const withoutPort = (host: string): string => host.replace(/:\d+$/, "");

/**
 * Protects an open dashboard from names that an attacker points at this machine (DNS rebinding).
 * @throws UeeError API_HOST_REFUSED
 */
export function refuseForeignHost(request: FastifyRequest): void {
  const host = header(request, "host") ?? "";
  if (!isLoopbackHost(withoutPort(host))) {
    throw new UeeError(
      "API_HOST_REFUSED",
      `Without a token this does not answer to the name '${clip(host)}'.`,
    );
  }
}

/** Sent by a browser, with its origin. */
export const isFromBrowser = (request: FastifyRequest): boolean =>
  header(request, "origin") !== undefined || header(request, "sec-fetch-site") !== undefined;

/**
 * A page, frame, form, image or script of another site sends the request. Following a link to one of our pages is
 * allowed: it changes nothing, and our cookies are not sent with it.
 * @throws UeeError API_CROSS_SITE
 */
export function refuseCrossSite(request: FastifyRequest): void {
  const site = header(request, "sec-fetch-site");
  const origin = header(request, "origin");
  if (site !== undefined && site !== "same-origin" && site !== "none" && !isFollowedLink(request)) {
    throw new UeeError("API_CROSS_SITE", `The browser says that this request is '${clip(site)}'.`);
  }
  if (origin !== undefined && originHost(origin) !== request.host.toLowerCase()) {
    throw new UeeError(
      "API_CROSS_SITE",
      `The request comes from '${clip(origin)}', not from '${clip(request.host)}'.`,
    );
  }
}

const isFollowedLink = (request: FastifyRequest): boolean =>
  request.method === "GET" &&
  header(request, "sec-fetch-mode") === "navigate" &&
  header(request, "sec-fetch-dest") === "document" &&
  !request.url.startsWith("/api/");

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** Cookies for https only, if the browser used https, including to an unknown proxy. */
export const cameByHttps = (request: FastifyRequest): boolean =>
  request.protocol === "https" ||
  (header(request, "origin") ?? "").startsWith("https://") ||
  /^https\b/i.test(header(request, "x-forwarded-proto") ?? "");

const clip = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

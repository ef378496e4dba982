/** The faults that answer instead of the upstream. */
import type { FaultName } from "../faults/catalog.ts";
import { attentionPage, errorPage, firewallPage, overloadPage } from "./pages.ts";
import { type Reply, reply } from "./reply.ts";

const html = { "content-type": "text/html" };

/** What a redirect needs to know. */
export interface RedirectTargets {
  /** The request's own path and query. */
  self: string;
  /** The same on another host, where someone answers too. */
  elsewhere: string;
}

/** `reset` and `stall-headers` give no answer at all. */
export function faultReply(
  name: FaultName,
  arg: string,
  targets: RedirectTargets,
): Reply | "reset" | "silence" {
  const moved = (status: number, location: string): Reply =>
    reply(status, { location, "content-length": "0" });
  switch (name) {
    case "status-403":
      return reply(403, { ...html, "cache-control": "no-cache" }, firewallPage);
    case "status-429":
      return reply(429, { ...html, "retry-after": arg || "0" }, errorPage(429, "Too Many Requests"));
    case "status-1015":
      return reply(429, { "content-type": "text/plain", server: "cloudflare" }, "error code: 1015");
    case "status-401":
      return reply(401, { ...html, "www-authenticate": "Basic" }, errorPage(401, "Authorization Required"));
    case "status-503":
      return reply(503, { ...html, "cache-control": "no-cache" }, overloadPage);
    case "status-503-retry-after":
      return reply(503, { ...html, "retry-after": arg || "1" }, overloadPage);
    case "status-500":
      return reply(500, html, errorPage(500, "Internal Server Error"));
    case "status-502":
      return reply(502, html, errorPage(502, "Bad Gateway"));
    case "status-504":
      return reply(504, html, errorPage(504, "Gateway Time-out"));
    case "status-520":
      return reply(520, { "content-type": "text/plain", server: "cloudflare" }, "error code: 520");
    case "status-524":
      return reply(524, { "content-type": "text/plain", server: "cloudflare" }, "error code: 524");
    case "status-408":
      return reply(408, html, errorPage(408, "Request Time-out"));
    case "status-404":
      return reply(404);
    case "bad-key":
      return reply(404, { message: "Invalid apiKey" });
    case "html-200":
      return reply(200, { "content-type": "text/html; charset=UTF-8", server: "cloudflare" }, attentionPage);
    case "empty-body":
      return reply(200, { "content-type": "application/json" });
    case "redirect-301":
      return moved(301, withHop(targets.self));
    case "redirect-302":
      return moved(302, withHop(targets.self));
    case "redirect-loop":
      return moved(302, targets.self);
    case "redirect-elsewhere":
      return moved(302, targets.elsewhere);
    case "reset":
      return "reset";
    case "stall-headers":
      return "silence";
    default:
      throw new Error(`The fault ${name} does not answer.`);
  }
}

/** A redirect leads to another address with the same content: the mirror path. */
const withHop = (self: string): string => `/_moved${self}`;

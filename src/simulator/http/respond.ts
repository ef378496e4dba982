/** The faults that answer instead of the upstream. */
import type { FaultName } from "../faults/catalog.ts";
import { attentionPage, errorPage, firewallPage, overloadPage } from "./pages.ts";
import { type Reply, reply } from "./reply.ts";

const html = { "content-type": "text/html" };

/** Facts that a redirect needs. */
export interface RedirectTargets {
  /** The request's own path and query. */
  self: string;
  /** The same on another host, which also answers. */
  elsewhere: string;
}

type Answer = (arg: string, targets: RedirectTargets) => Reply;

const page =
  (status: number, title: string, headers: Record<string, string> = {}): Answer =>
  () =>
    reply(status, { ...html, ...headers }, errorPage(status, title));
const cloudflare =
  (status: number, code: number): Answer =>
  () =>
    reply(status, { "content-type": "text/plain", server: "cloudflare" }, `error code: ${code}`);
const moved = (status: number, location: string): Reply => reply(status, { location, "content-length": "0" });

const answers: Partial<Record<FaultName, Answer | "reset" | "silence">> = {
  "status-403": () => reply(403, { ...html, "cache-control": "no-cache" }, firewallPage),
  "status-429": (arg) =>
    reply(429, { ...html, "retry-after": arg || "0" }, errorPage(429, "Too Many Requests")),
  "status-1015": cloudflare(429, 1015),
  "status-401": page(401, "Authorization Required", { "www-authenticate": "Basic" }),
  "status-503": () => reply(503, { ...html, "cache-control": "no-cache" }, overloadPage),
  "status-503-retry-after": (arg) => reply(503, { ...html, "retry-after": arg || "1" }, overloadPage),
  "status-500": page(500, "Internal Server Error"),
  "status-502": page(502, "Bad Gateway"),
  "status-504": page(504, "Gateway Time-out"),
  "status-520": cloudflare(520, 520),
  "status-524": cloudflare(524, 524),
  "status-408": page(408, "Request Time-out"),
  "status-404": () => reply(404),
  "bad-key": () => reply(404, { message: "Invalid apiKey" }),
  "html-200": () =>
    reply(200, { "content-type": "text/html; charset=UTF-8", server: "cloudflare" }, attentionPage),
  "empty-body": () => reply(200, { "content-type": "application/json" }),
  "redirect-301": (_arg, { self }) => moved(301, withHop(self)),
  "redirect-302": (_arg, { self }) => moved(302, withHop(self)),
  "redirect-loop": (_arg, { self }) => moved(302, self),
  "redirect-elsewhere": (_arg, { elsewhere }) => moved(302, elsewhere),
  reset: "reset",
  "stall-headers": "silence",
};

/** `reset` and `stall-headers` give no answer at all. */
export function faultReply(
  name: FaultName,
  arg: string,
  targets: RedirectTargets,
): Reply | "reset" | "silence" {
  const answer = answers[name];
  if (answer === undefined) throw new Error(`The fault ${name} does not answer.`);
  return typeof answer === "string" ? answer : answer(arg, targets);
}

/** A redirect leads to another address with the same content: the mirror path. */
const withHop = (self: string): string => `/_moved${self}`;

/** The faults that answer instead of the upstream, with the pages of the firewalls, proxies and caches in front of the real ones. */
import { type Reply, reply } from "../http/reply.ts";
import type { FaultName } from "./catalog.ts";

const html = { "content-type": "text/html" };

/** Addresses that a redirect needs. */
export interface RedirectTargets {
  /** The request's own path and query. */
  self: string;
  /** The same on another host, which also answers. */
  elsewhere: string;
}

type Answer = (arg: string, targets: RedirectTargets) => Reply;

const page = (status: number, title: string, headers: Record<string, string> = {}): Reply =>
  reply(
    status,
    { ...html, ...headers },
    `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
  );
const haproxy = (title: string, text: string): string =>
  `<html><body><h1>${title}</h1>\n${text}\n</body></html>\n`;
const overload = haproxy("503 Service Unavailable", "No server is available to handle this request.");
const cloudflare = (status: number, code: number): Reply =>
  reply(status, { "content-type": "text/plain", server: "cloudflare" }, `error code: ${code}`);
const attention = `<!DOCTYPE html>
<!--[if lt IE 7]> <html class="no-js ie6 oldie" lang="en-US"> <![endif]-->
<!--[if gt IE 8]><!--> <html class="no-js" lang="en-US"> <!--<![endif]-->
<head><title>Attention Required! | Cloudflare</title><meta charset="UTF-8" /></head>
<body><h1 data-translate="block_headline">Sorry, you have been blocked</h1></body>
</html>
`;
const moved = (status: number, location: string): Reply => reply(status, { location, "content-length": "0" });

/** NVD's front: also for requests over the limit. */
export const forbidden = (): Reply =>
  reply(
    403,
    { ...html, "cache-control": "no-cache" },
    haproxy("403 Forbidden", "Request forbidden by administrative rules."),
  );

const answers: Partial<Record<FaultName, Answer | "reset" | "silence">> = {
  "status-403": forbidden,
  "status-429": (arg) => page(429, "Too Many Requests", { "retry-after": arg || "0" }),
  "status-1015": () => cloudflare(429, 1015),
  "status-401": () => page(401, "Authorization Required", { "www-authenticate": "Basic" }),
  "status-503": () => reply(503, { ...html, "cache-control": "no-cache" }, overload),
  "status-503-retry-after": (arg) => reply(503, { ...html, "retry-after": arg || "1" }, overload),
  "status-500": () => page(500, "Internal Server Error"),
  "status-502": () => page(502, "Bad Gateway"),
  "status-504": () => page(504, "Gateway Time-out"),
  "status-520": () => cloudflare(520, 520),
  "status-524": () => cloudflare(524, 524),
  "status-408": () => page(408, "Request Time-out"),
  "status-404": () => reply(404),
  "bad-key": () => reply(404, { message: "Invalid apiKey" }),
  "html-200": () =>
    reply(200, { "content-type": "text/html; charset=UTF-8", server: "cloudflare" }, attention),
  "empty-body": () => reply(200, { "content-type": "application/json" }),
  // A redirect leads to another address with the same content: the mirror path.
  "redirect-301": (_arg, { self }) => moved(301, `/_moved${self}`),
  "redirect-302": (_arg, { self }) => moved(302, `/_moved${self}`),
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

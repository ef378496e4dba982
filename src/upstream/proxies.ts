/**
 * Selects the proxy for an address, from the variables in the forms that curl accepts:
 *   https_proxy HTTPS_PROXY, http_proxy HTTP_PROXY, then all_proxy ALL_PROXY; lower case takes precedence, and an
 *   empty
 *   variable is ignored
 *   [scheme://][user:password@]host[:port] with http (the default), https, socks5 or socks5h; port 1080, of https 443
 *   no_proxy NO_PROXY: *, or names with their subdomains, addresses, CIDR blocks, each with :port for that port only
 * curl ignores an upper-case HTTP_PROXY because a CGI request could set it; UEE is not started by a web server.
 */
import { BlockList, isIP } from "node:net";
import { UeeError } from "../core/errors.ts";

export interface UpstreamProxy {
  /** The variable that names it. */
  readonly variable: string;
  readonly kind: "http" | "https" | "socks5";
  /** Host and port in the form that may be shown. */
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  /** Undefined when it names no user. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const kinds: Readonly<Record<string, UpstreamProxy["kind"]>> = {
  http: "http",
  https: "https",
  socks5: "socks5",
  socks5h: "socks5",
};

/**
 * Undefined: the address is reached directly.
 * @throws UeeError PROV_PROXY that names the variable and never its value
 */
export function proxyFor(target: URL, env: Environment): UpstreamProxy | undefined {
  const scheme = target.protocol === "https:" ? "https_proxy" : "http_proxy";
  const variable = spellings(scheme, "all_proxy").find((name) => env[name]?.trim());
  if (variable === undefined || isExempt(target, env)) return undefined;
  return parseProxy(variable, env[variable]!.trim());
}

function parseProxy(variable: string, text: string): UpstreamProxy {
  const refuse = (why: string) => new UeeError("PROV_PROXY", `${variable} cannot be used: ${why}.`);
  const [, scheme = "http", rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
  const kind = kinds[scheme.toLowerCase()];
  if (kind === undefined) {
    throw refuse("its scheme is none of http, https, socks5 and socks5h");
  }
  const authority = rest.replace(/\/*$/, "");
  const at = authority.lastIndexOf("@");
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?$/i.exec(authority.slice(at + 1));
  const port = Number(match?.[3] ?? (kind === "https" ? 443 : 1080));
  if (!match || port < 1 || port > 65_535)
    throw refuse("it is not host:port or http://user:password@host:port");
  const hostname = match[1] ?? match[2]!;
  if (!URL.canParse(`http://${match[1] ? `[${hostname}]` : hostname}`))
    throw refuse("its host is not a name or an address");
  let credentials: UpstreamProxy["credentials"];
  if (at >= 0) {
    const [user, ...password] = authority.slice(0, at).split(":");
    try {
      credentials = { user: decodeURIComponent(user!), password: decodeURIComponent(password.join(":")) };
    } catch {
      throw refuse("a % in its user or password is not followed by two hex digits; a plain % is %25");
    }
  }
  const host = `${match[1] ? `[${hostname}]` : hostname}:${port}`;
  return { variable, kind, host, hostname, port, credentials };
}

function isExempt(target: URL, env: Environment): boolean {
  const list = spellings("no_proxy")
    .map((name) => env[name])
    .find((value) => value?.trim());
  const host = target.hostname
    .replace(/^\[|\]$/g, "")
    .toLowerCase()
    .replace(/\.$/, "");
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return (list ?? "")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => entry === "*" || covers(entry, host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  const [, bracketed, plain, wantedPort] =
    /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? entry;
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (isIP(host) !== 0) return coversAddress(name, host);
  const bare = name.replace(/^\*?\./, "").replace(/\.$/, "");
  return host === bare || host.endsWith(`.${bare}`);
}

function coversAddress(block: string, address: string): boolean {
  const [net = "", bits] = block.split("/");
  const family = isIP(net);
  if (family === 0 || family !== isIP(address)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const widest = family === 4 ? 32 : 128;
  const width = bits === undefined ? widest : Number(bits);
  if (!Number.isInteger(width) || width < 0 || width > widest) return false;
  const list = new BlockList();
  list.addSubnet(net, width, type);
  return list.check(address, type);
}

const spellings = (...names: string[]): string[] => names.flatMap((name) => [name, name.toUpperCase()]);

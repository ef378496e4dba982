/**
 * The forms of REDIS_URL:
 *   redis://[user:password@]host[:port][/db]           rediss:// the same over TLS
 *   unix:/path/to.sock[?db=0&user=U&password=P]
 *   redis+sentinel://[user:password@]host1[:26379],host2[:26379]/master[/db][?sentinelUser=U&sentinelPassword=P]
 *   rediss+sentinel:// the same with TLS to sentinels and server
 *   redis+cluster://[user:password@]host1[:6379],host2[:6379]        rediss+cluster:// the same over TLS
 */
import { readFileSync } from "node:fs";
import type { RedisOptions } from "ioredis";
import { UeeError } from "../core/errors.ts";
import { redactRedisUrl } from "../core/secrets.ts";

/** Each with the parameters that it knows. */
const schemes = {
  "redis:": ["db"],
  "rediss:": ["db"],
  "unix:": ["db", "user", "password"],
  "redis+sentinel:": ["db", "sentinelUser", "sentinelPassword"],
  "rediss+sentinel:": ["db", "sentinelUser", "sentinelPassword"],
  "redis+cluster:": [],
  "rediss+cluster:": [],
} satisfies Record<string, readonly string[]>;
type Scheme = keyof typeof schemes;

export interface RedisNode {
  host: string;
  port: number;
}

/** Options of ioredis; `seeds` are nodes of a cluster, of which any one tells all others. */
export type RedisTarget = RedisOptions & { seeds?: RedisNode[] };

/**
 * Where to connect, as ioredis options.
 * @param tlsCaFile PEM file of a private CA that signed the server's certificate (REDIS_TLS_CA)
 * @throws UeeError SYS_CONFIG_INVALID that names the problem, without the password
 */
export function parseRedisUrl(url: string, tlsCaFile?: string): RedisTarget {
  const match = /^([a-z+]+:)(?:\/\/)?([^?#]*)(?:\?([^#]*))?(#.*)?$/i.exec(url.trim());
  const scheme = match?.[1]?.toLowerCase();
  if (!match || !isScheme(scheme)) {
    const starts = Object.keys(schemes).map((one) => (one === "unix:" ? one : `${one}//`));
    throw invalid(url, `it must start with ${starts.join(", ")}`);
  }
  if (match[4] !== undefined || match[3]?.includes("@")) {
    // The URL breaks inside a password here: its parts are not shown.
    throw invalid(url, "write the special characters of a password as %xx: ? is %3F, # is %23, @ is %40");
  }
  const query = new URLSearchParams(match[3] ?? "");
  const parameters: readonly string[] = schemes[scheme];
  for (const name of query.keys()) {
    if (!parameters.includes(name)) {
      throw invalid(url, `'${name}' is no parameter of it; known are ${parameters.join(", ") || "none"}`);
    }
  }
  const secure = scheme.startsWith("rediss");
  const tls = secure ? { ca: tlsCaFile === undefined ? undefined : readCa(tlsCaFile) } : undefined;
  if (scheme === "unix:") return unixOptions(url, match[2]!, query);
  const { credentials, hosts, path } = splitAuthority(url, match[2]!);
  if (scheme.endsWith("+sentinel:")) return sentinelOptions(url, credentials, hosts, path, query, tls);

  if (scheme.endsWith("+cluster:")) {
    if (readDb(url, path[0], query) !== 0) throw invalid(url, "a cluster has only database 0");
    return { seeds: hosts.map((host) => readHost(url, host, 6379)), ...credentials, ...(tls ? { tls } : {}) };
  }

  if (hosts.length > 1) {
    throw invalid(
      url,
      "it names several hosts; write redis+sentinel://host1,host2/master for Sentinel, redis+cluster://host1,host2 for a cluster",
    );
  }
  const { host, port } = readHost(url, hosts[0] ?? "", 6379);
  return {
    host,
    port,
    ...credentials,
    db: readDb(url, path[0], query),
    ...(tls ? { tls: { ...tls, servername: serverName(host) } } : {}),
  };
}

/** The name in the certificate is checked against the name of the host (an address sends no name). */
export const serverName = (host: string): string | undefined => (/^[\d.]+$|:/.test(host) ? undefined : host);

const isScheme = (text: string | undefined): text is Scheme =>
  text !== undefined && Object.hasOwn(schemes, text);

const invalid = (url: string, why: string): UeeError =>
  new UeeError("SYS_CONFIG_INVALID", `REDIS_URL '${redactRedisUrl(url)}' cannot be used: ${why}.`);

interface Credentials {
  username?: string;
  password?: string;
}

function splitAuthority(url: string, rest: string) {
  // The last @: a password may contain one unescaped.
  const slash = rest.indexOf("/", rest.lastIndexOf("@") + 1);
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path =
    slash < 0
      ? []
      : rest
          .slice(slash + 1)
          .split("/")
          .filter(Boolean);
  const at = authority.lastIndexOf("@");
  const credentials: Credentials = {};
  if (at >= 0) {
    const text = authority.slice(0, at);
    const colon = text.indexOf(":");
    const user = decode(url, colon < 0 ? text : text.slice(0, colon));
    // An empty user means the default one: redis://:password@host
    if (user !== "") credentials.username = user;
    if (colon >= 0) credentials.password = decode(url, text.slice(colon + 1));
  }
  return { credentials, hosts: authority.slice(at + 1).split(","), path };
}

function unixOptions(url: string, path: string, query: URLSearchParams): RedisOptions {
  const socket = decode(url, path);
  if (!socket.startsWith("/")) throw invalid(url, "the socket's path must be absolute: unix:/run/redis.sock");
  const user = query.get("user");
  return {
    path: socket,
    ...(user ? { username: user } : {}),
    ...(query.has("password") ? { password: query.get("password") ?? "" } : {}),
    db: readDb(url, undefined, query),
  };
}

function sentinelOptions(
  url: string,
  credentials: Credentials,
  hosts: string[],
  path: string[],
  query: URLSearchParams,
  tls: RedisOptions["tls"],
): RedisOptions {
  const name = path[0];
  if (name === undefined) {
    throw invalid(url, "the master's name is missing: redis+sentinel://host1,host2/mymaster");
  }
  return {
    sentinels: hosts.map((host) => readHost(url, host, 26379)),
    name: decode(url, name),
    role: "master",
    ...credentials,
    sentinelUsername: query.get("sentinelUser") ?? undefined,
    sentinelPassword: query.get("sentinelPassword") ?? undefined,
    db: readDb(url, path[1], query),
    ...(tls ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  };
}

function readHost(url: string, text: string, defaultPort: number): RedisNode {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[3] ?? defaultPort);
  if (!match || port < 1 || port > 65535) throw invalid(url, `'${text}' is not host or host:port`);
  return { host: match[1] ?? match[2]!, port };
}

function readDb(url: string, fromPath: string | undefined, query: URLSearchParams): number {
  const text = fromPath ?? query.get("db") ?? "0";
  if (!/^\d{1,5}$/.test(text)) throw invalid(url, `'${text}' is not the number of a database`);
  return Number(text);
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(url, "a % in it is not followed by two hex digits; write a plain % as %25");
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UeeError("SYS_CONFIG_INVALID", `REDIS_TLS_CA: '${file}' cannot be read.`, { cause });
  }
}

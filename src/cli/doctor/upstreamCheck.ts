/**
 * Can an upstream be reached, and if not, is the cause the name, the proxy, the certificate, the key or the upstream
 * itself? Sends at most one request through the upstream client, so that it counts in the fleet's limit; the body is
 * abandoned after the first bytes.
 */
import { lookup } from "node:dns/promises";
import { toUeeError, type UeeError } from "../../core/errors.ts";
import type { Fetcher, FetchRequest } from "../../core/fetching.ts";
import { proxyFor, type UpstreamProxy } from "../../upstream/client.ts";
import { formatDuration, formatRough } from "../render/text.ts";
import { type Finding, note, ok, problem } from "./checks.ts";

export interface UpstreamProbe {
  upstream: string;
  url: string;
  /** What is asked for below the address; default: the address itself. */
  path?: string | undefined;
  /** Query parameters that keep the answer small. */
  query: Readonly<Record<string, string>>;
  apiKey: string | undefined;
  /** Sends the single request. */
  fetcher: (signal: AbortSignal) => Fetcher;
  env: NodeJS.ProcessEnv;
  timeoutMs: number;
}

export async function checkUpstream(probe: UpstreamProbe): Promise<Finding> {
  const target = new URL(probe.url);
  const check = `upstream ${probe.upstream}`;
  let proxy: UpstreamProxy | undefined;
  try {
    proxy = proxyFor(target, probe.env);
  } catch (error) {
    const { detail, remedy } = toUeeError(error);
    return problem(check, `Proxy: ${detail}`, remedy);
  }
  const via = proxy ? ` through the proxy ${proxy.host}` : "";
  const host = (proxy ?? target).hostname.replace(/^\[|\]$/g, "");
  try {
    await lookup(host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const name = `${proxy ? "the proxy's name " : ""}${host}`;
    const what = proxy ? proxy.variable : "the network, the address's spelling";
    return problem(
      check,
      `DNS: ${name} cannot be resolved (${code ?? "unknown"})`,
      `Check ${what} and the resolver.`,
    );
  }
  const timer = AbortSignal.timeout(probe.timeoutMs);
  const leave = new AbortController();
  const request = requestFor(probe, target);
  const started = Date.now();
  try {
    const answer = await probe.fetcher(AbortSignal.any([timer, leave.signal])).stream(request);
    for await (const _chunk of answer.body) break;
    const key = probe.apiKey === undefined ? "" : ", with the API key";
    return ok(check, `${target.host} answered in ${formatDuration(Date.now() - started)}${via}${key}`);
  } catch (error) {
    const slow = `${target.host} did not answer in ${formatRough(probe.timeoutMs)}${via}`;
    if (timer.aborted) return problem(check, slow, slowRemedy);
    return findingOf(check, toUeeError(error), {
      ...{ upstream: probe.upstream, host: target.host, asked: withoutSecrets(request.url), via },
      proxied: proxy !== undefined,
    });
  } finally {
    leave.abort();
  }
}

const slowRemedy = "If it lasts: check network and firewall; a proxy goes into HTTPS_PROXY.";

const proxyRemedy = "Check HTTPS_PROXY, NO_PROXY and the proxy itself.";

const breakerRemedy = (upstream: string): string =>
  "The fleet retries automatically with one request at a time; `uee breakers` says when. If you know that it works again: " +
  `uee breakers reset ${upstream}`;

function requestFor({ path, query, apiKey }: UpstreamProbe, target: URL): FetchRequest {
  const url = new URL(target);
  if (path !== undefined) url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const ending = /\.(zip|xml|gz|meta)$/.exec(url.pathname)?.[1];
  const isBinary = ending === "gz" || ending === "meta";
  return {
    url: url.href,
    headers: apiKey === undefined ? {} : { apiKey },
    maxBytes: Number.MAX_SAFE_INTEGER,
    expect: isBinary ? "binary" : ((ending ?? "json") as FetchRequest["expect"]),
  };
}

/** User, password and query of an address are secrets. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function findingOf(
  check: string,
  error: UeeError,
  where: { upstream: string; host: string; asked: string; via: string; proxied: boolean },
): Finding {
  const { host, via } = where;
  switch (error.code) {
    case "PROV_CIRCUIT_OPEN":
      return problem(check, `not asked: ${error.detail}`, breakerRemedy(where.upstream));
    case "PROV_RATE_WAIT":
      return note(check, `not asked: the fleet has used up this window's requests to ${host}`);
    case "PROV_THROTTLED":
    case "PROV_OVERLOADED":
      return note(check, `${host} answers${via} and requires a wait: ${error.detail}`, error.remedy);
    case "PROV_TLS":
      return problem(check, `TLS: ${error.detail}`, error.remedy);
    case "PROV_PROXY":
      return problem(check, `Proxy: ${error.detail}${via}`, error.remedy);
    case "PROV_BAD_KEY":
      return problem(check, `Key: ${host} refused the API key`, error.remedy);
    case "PROV_CONNECTION":
      if (!where.proxied) return problem(check, `Network: ${error.detail}`, slowRemedy);
      return problem(check, `Proxy or network: ${error.detail}${via}`, proxyRemedy);
    default:
      return problem(
        check,
        `${error.code}: ${error.detail.replace(/\.$/, "")} (${where.asked})${via}`,
        error.remedy,
      );
  }
}

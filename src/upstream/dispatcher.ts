import { type Dispatcher, EnvHttpProxyAgent, Pool } from "undici";

/**
 * The one place where sockets come from. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read here; NODE_EXTRA_CA_CERTS is read
 * by Node at its start. Nothing is retried or redirected: both would send requests that nobody has counted.
 */
export function makeDispatcher(options: { connectMs: number }): Dispatcher {
  const { connectMs } = options;
  return new EnvHttpProxyAgent({
    // Below the five seconds after which common servers drop an idle connection.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000,
    pipelining: 1,
    connect: { timeout: connectMs },
    proxyTls: { timeout: connectMs },
    requestTls: { timeout: connectMs },
    // Plain http goes through a proxy as every other client does it: many refuse CONNECT to port 80.
    proxyTunnel: false,
    // A proxy that accepts the connection and then says nothing.
    clientFactory: (url, opts) => new Pool(url, { ...opts, headersTimeout: connectMs }),
  });
}

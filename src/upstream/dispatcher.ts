import { Agent, Dispatcher, Pool, ProxyAgent } from "undici";
import { proxyFor, type UpstreamProxy } from "./proxies.ts";

/**
 * The only place that opens sockets. The proxy variables are read for each request (proxies.ts), so that a wrong one
 * fails requests to upstreams and nothing else; Node reads NODE_EXTRA_CA_CERTS at its start. Nothing is retried or
 * redirected here: both would send requests that are not counted.
 */
export function makeDispatcher(options: {
  connectMs: number;
  env?: Readonly<Record<string, string | undefined>>;
}): Dispatcher {
  return new ProxyingDispatcher(options.connectMs, options.env ?? process.env);
}

class ProxyingDispatcher extends Dispatcher {
  private readonly connectMs: number;
  private readonly env: Readonly<Record<string, string | undefined>>;
  private readonly direct: Agent;
  private readonly proxied = new Map<string, ProxyAgent>();

  constructor(connectMs: number, env: Readonly<Record<string, string | undefined>>) {
    super();
    this.connectMs = connectMs;
    this.env = env;
    this.direct = new Agent({ ...this.sockets(), connect: { timeout: connectMs } });
  }

  /** @throws UeeError PROV_PROXY */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const proxy = proxyFor(new URL(String(options.origin)), this.env);
    return (proxy ? this.through(proxy) : this.direct).dispatch(options, handler);
  }

  override async close(): Promise<void> {
    await Promise.all(this.all().map((agent) => agent.close()));
  }

  override async destroy(): Promise<void> {
    await Promise.all(this.all().map((agent) => agent.destroy()));
  }

  private all(): Dispatcher[] {
    return [this.direct, ...this.proxied.values()];
  }

  private through(proxy: UpstreamProxy): ProxyAgent {
    const key = JSON.stringify(proxy);
    const agent = this.proxied.get(key) ?? this.makeAgent(proxy);
    this.proxied.set(key, agent);
    return agent;
  }

  private makeAgent({ kind, host, credentials }: UpstreamProxy): ProxyAgent {
    const timeout = this.connectMs;
    const url = new URL(`${kind}://${host}`);
    if (kind === "socks5" && credentials) {
      url.username = encodeURIComponent(credentials.user);
      url.password = encodeURIComponent(credentials.password);
    }
    const basic =
      credentials && Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
    return new ProxyAgent({
      ...this.sockets(),
      uri: url.href,
      ...(basic && kind !== "socks5" ? { token: `Basic ${basic}` } : {}),
      // undici interprets these as a request to speak TLS with a SOCKS proxy.
      ...(kind === "socks5" ? {} : { proxyTls: { timeout } }),
      requestTls: { timeout },
      // Plain http goes through a proxy without CONNECT, as in other clients: many proxies refuse CONNECT to port 80.
      proxyTunnel: false,
      // A proxy that accepts the connection and then does not answer.
      clientFactory: (origin, opts) => new Pool(origin, { ...opts, headersTimeout: timeout }),
    });
  }

  private sockets() {
    return {
      // Shorter than the five seconds after which common servers close an idle connection.
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 30_000,
      pipelining: 1,
    };
  }
}

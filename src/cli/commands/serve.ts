import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import type { RunningServe } from "../../outlets/nvd/server.ts";
import { command } from "../command.ts";
import { runService, stopInOrder } from "../service.ts";

export const serve = command({
  name: "serve",
  summary: "serve the mirror as NVD does: CVE API 2.0 and year feeds (needs REDIS_URL)",
  description:
    "An NVD for your own tools, until SIGTERM: /rest/json/cves/2.0 and /feeds/json/cve/2.0/ out of the mirror. It serves " +
    "only what was verified, and X-UEE-Verified-At says when. Needs REDIS_URL. Without UEE_SERVE_TOKEN it listens on " +
    "this machine only.",
  options: {
    "--port <port>": "port to listen on (default: 8331); 0 takes any that is free",
    "--host <address>": "address to listen on",
    "--max-age <duration>": "answer 503 when the mirror was verified longer ago, such as 6h",
  },
  examples: [
    "REDIS_URL=redis://localhost:6379 uee serve --max-age 12h",
    "curl 'localhost:8331/rest/json/cves/2.0?cveId=CVE-2021-44228'",
    "curl -O localhost:8331/feeds/json/cve/2.0/nvdcve-2.0-2021.json.gz",
  ],
  run: (context, { port: servePort, host: serveHost, maxAge: serveMaxAge, ...flags }) =>
    runService(context, {
      request: { redis: "required", flags: Object.assign(flags, { servePort, serveHost, serveMaxAge }) },
      listen: ({ config, logger }) => listenAs(config, logger),
      async serve(session, signal, server) {
        await server.serve(session.engine, signal);
        await server.close();
        return await stopInOrder(session);
      },
    }),
});

/** Listens; the mirror may become available later. */
export async function listenAs(
  config: Config,
  logger: Logger,
  port = config.servePort,
): Promise<RunningServe> {
  const { listenServe } = await import("../../outlets/nvd/server.ts");
  const { serveHost: host, serveToken: token, serveMaxAge: maxAgeMs, trustProxy } = config;
  return listenServe({ logger, port, host, token, maxAgeMs, trustProxy });
}

import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import type { RunningDashboard } from "../../dashboard/listen.ts";
import { version } from "../../engine/version.ts";
import { makeKeys } from "../../redis/keys.ts";
import type { Webhook } from "../../session/webhook.ts";
import { command } from "../command.ts";
import type { Session } from "../context.ts";
import { runService, stopInOrder, untilAborted } from "../service.ts";
import { startWebhook } from "./webhook.ts";

export const dashboard = command({
  name: "dashboard",
  summary: "serve the dashboard, the HTTP API, Bull Board and metrics (needs REDIS_URL)",
  description:
    "One pod's HTTP side, until SIGTERM: the dashboard at /, the API under /api, events, metrics, probes, and Bull " +
    "Board, read-only, at /queues. Needs REDIS_URL; answers 503 while Redis is away, for as long as it takes. Without " +
    "UEE_API_TOKEN it listens on this machine only.",
  options: {
    "--port <port>": "port to listen on (default: 8330); 0 takes any that is free",
    "--host <address>": "address to listen on",
  },
  examples: [
    "REDIS_URL=redis://localhost:6379 uee dashboard",
    "UEE_API_TOKEN=$(openssl rand -hex 16) uee dashboard --port 80",
    'curl -H "Authorization: Bearer $UEE_API_TOKEN" localhost:8330/api/etl-tree',
  ],
  run: (context, flags) =>
    runService(context, {
      request: { redis: "required", flags },
      listen: ({ config, logger }) => listenAs(config, logger),
      async serve(session, signal, server) {
        let webhook: Webhook | undefined;
        try {
          webhook = await startWebhook(session);
          server.attach(backendOf(session, webhook));
          session.logger.info({ event: "ready" }, "Redis is reachable; ready");
          await untilAborted(signal);
          await server.close();
          await webhook?.close();
          return await stopInOrder(session);
        } finally {
          server.attach(undefined);
          await webhook?.close();
        }
      },
    }),
});

/** Listens; Redis may become available later. */
export async function listenAs(
  config: Config,
  logger: Logger,
  port = config.port,
): Promise<RunningDashboard> {
  const [{ listenDashboard }, { secretsOf }] = await Promise.all([
    import("../../dashboard/listen.ts"),
    import("../../config/index.ts"),
  ]);
  const { host, apiToken: token, trustProxy } = config;
  return listenDashboard({
    logger,
    port,
    host,
    token,
    trustProxy,
    version: version(),
    secrets: secretsOf(config),
  });
}

/** What the server answers from. */
export const backendOf = ({ engine, redis, config }: Session, webhook: Webhook | undefined) => ({
  engine,
  redis,
  webhook,
  keys: makeKeys(config.prefix),
});

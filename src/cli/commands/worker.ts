import type { Config } from "../../config/index.ts";
import type { Logger } from "../../core/logger.ts";
import type { WorkerHandle } from "../../engine/api.ts";
import type { Webhook } from "../../session/webhook.ts";
import type { HealthServer, HealthSubject } from "../../workers/healthServer.ts";
import { command } from "../command.ts";
import { runService, type Service, stopInOrder, untilAborted } from "../service.ts";
import { startWebhook } from "./webhook.ts";

export const worker = command({
  name: "worker",
  summary: "take batches until told to stop (needs REDIS_URL)",
  description:
    "One pod's worker: takes batches of every provider, and requests of the `runs` queue, until SIGTERM. Needs " +
    "REDIS_URL; waits for ever for a Redis that is away. Any number may run beside each other. Told to stop, it gives " +
    "its batches back within seconds and ends with 0; a second signal ends it at once.",
  options: {
    "--health-port <port>": "answer GET /livez and /readyz there; 0 takes any that is free",
    "--health-host <address>": "address of the health port (default: every address)",
  },
  examples: [
    "REDIS_URL=redis://localhost:6379 uee worker",
    "uee worker --health-port 8081     in a pod, for its probes",
    "UEE_LOG_LEVEL=debug uee worker --redis-url unix:/run/redis.sock",
  ],
  async run(context, flags) {
    const interrupts = context.interrupts();
    let handle: WorkerHandle | undefined;
    const report = () => reportOf(handle, interrupts.signal);
    const supervised = context.supervised?.(report);
    const service: Service<HealthServer | undefined> = {
      request: { redis: "required", flags },
      // Siblings under one supervisor would use the same port; the supervisor asks them over its own channel.
      listen: async ({ config, logger }) => (supervised ? undefined : listen(config, logger, report)),
      async serve(session, signal) {
        let webhook: Webhook | undefined;
        try {
          handle = await session.engine.startWorker({ schedules: true, signal });
          const { id } = handle;
          session.logger.info({ event: "ready", worker: id }, `worker ${id} is ready`);
          supervised?.tell();
          webhook = await startWebhook(session);
          await untilAborted(signal);
          session.logger.info({ event: "stopping", worker: id }, "stopping; no new batches");
          await webhook?.close();
          return await stopInOrder(session);
        } finally {
          await webhook?.close();
          handle = undefined;
        }
      },
    };
    return runService(context, service, interrupts).finally(() => supervised?.stop());
  },
});

/** Probes and a supervisor may ask at any time. */
function reportOf(handle: WorkerHandle | undefined, signal: AbortSignal): HealthSubject {
  const stopping = signal.aborted ? ["the worker is stopping"] : [];
  if (handle === undefined) {
    const reasons = signal.aborted ? stopping : ["the worker is starting: it waits for Redis"];
    const state = signal.aborted ? "stopping" : "starting";
    return { worker: null, state, live: true, ready: false, reasons };
  }
  const { id } = handle;
  const said = handle.report();
  // After the stop signal it is not ready, even if a step is still in progress.
  if (!signal.aborted || said.state === "stopping") return { worker: id, ...said };
  return { worker: id, ...said, state: "stopping", ready: false, reasons: [...stopping, ...said.reasons] };
}

async function listen(
  config: Config,
  logger: Logger,
  report: () => HealthSubject,
): Promise<HealthServer | undefined> {
  if (config.healthPort === undefined) return undefined;
  const { startHealthServer } = await import("../../workers/healthServer.ts");
  const health = await startHealthServer({ port: config.healthPort, host: config.healthHost, report });
  logger.info({ event: "health", port: health.port }, `health port ${health.port}: /livez and /readyz`);
  return health;
}

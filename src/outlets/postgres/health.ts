/** The health port of a sink that follows: /livez, /readyz, and its figures at /metrics. */
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { Gauge, Registry } from "prom-client";
import { UeeError } from "../../core/errors.ts";
import type { SinkState } from "./sink.ts";

const gauges: Readonly<Record<string, { help: string; of: (state: SinkState) => number }>> = {
  uee_sink_connected: {
    help: "1 while the sink has its session in PostgreSQL.",
    of: (s) => Number(s.connected),
  },
  uee_sink_current: {
    help: "1 while nothing of the change feed is left to apply.",
    of: (s) => Number(s.current),
  },
  uee_sink_current_timestamp_seconds: {
    help: "When the sink last had applied everything; 0 before.",
    of: (s) => s.currentAt / 1_000,
  },
  uee_sink_changes: { help: "Changes applied since the process began.", of: (s) => s.changes },
};

/** @throws UeeError API_CANNOT_LISTEN */
export async function startSinkHealth(options: {
  port: number;
  host: string | undefined;
  state: () => SinkState | undefined;
}): Promise<{ port: number; close(): Promise<void> }> {
  const registry = new Registry();
  for (const [name, { help, of }] of Object.entries(gauges)) {
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        const state = options.state();
        if (state) this.set(of(state));
      },
    });
  }
  const app = fastify({ forceCloseConnections: true, requestTimeout: 5_000 });
  app.get("/livez", async () => ({ live: true }));
  app.get("/readyz", async (_request, reply) => {
    const state = options.state();
    const reasons = state?.current ? [] : [state?.trouble ?? "the sink is loading"];
    return reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  try {
    await app.listen({ port: options.port, host: options.host ?? "::" });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new UeeError("API_CANNOT_LISTEN", `The health port ${options.port} cannot be opened: ${code}.`, {
      cause,
    });
  }
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

/** Metrics for Prometheus. */
import { z } from "zod";
import type { App } from "../../app.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import { commonErrors } from "./shared.ts";

const textSchema = z.string().meta({ id: "MetricsText", description: "Prometheus' text format" });

export function metricsRoutes(app: App, metrics: Metrics): void {
  app.addHook("onResponse", async (request, reply) => {
    metrics.answered({
      method: request.method,
      route: request.routeOptions.url ?? "unknown",
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1_000,
    });
  });
  app.get(
    "/metrics",
    {
      schema: {
        operationId: "getMetrics",
        tags: ["health"],
        summary: "Metrics for Prometheus; also while Redis is unreachable",
        response: { 200: { content: { "text/plain": { schema: textSchema } } }, ...commonErrors },
      },
    },
    async (_request, reply) => {
      void reply.type(metrics.contentType);
      return await metrics.text();
    },
  );
}

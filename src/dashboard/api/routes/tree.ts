/** The tree, the overview and the kernel metrics. */
import { z } from "zod";
import { KERNEL_SAMPLE_MS } from "../../../permits/optimizer/kernelHistory.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import {
  etlTreeSchema,
  kernelHistorySchema,
  kernelMetricsSchema,
  limitQuery,
  overviewSchema,
} from "../schemas.ts";
import { commonErrors } from "./shared.ts";

export function treeRoutes(app: App, { engine, view, limits }: RouteSurroundings): void {
  app.get(
    "/api/etl-tree",
    {
      schema: {
        operationId: "getEtlTree",
        tags: ["fleet"],
        summary: "The fleet's machine and every provider's",
        response: { 200: etlTreeSchema, ...commonErrors },
      },
    },
    () => engine().etlTree(),
  );
  app.get(
    "/api/overview",
    {
      schema: {
        operationId: "getOverview",
        tags: ["fleet"],
        summary: "Everything that the dashboard's tree shows",
        description:
          "At most 250 ms old, and never older than the last change asked of this process; `at` tells when it was taken.",
        response: { 200: overviewSchema, ...commonErrors },
      },
    },
    async () => (await view.tree(limits.freshMs)).overview,
  );
  app.get(
    "/api/kernel-metrics",
    {
      schema: {
        operationId: "getKernelMetrics",
        tags: ["fleet"],
        summary: "Latency, saturation, permits and rates of the fleet",
        response: { 200: kernelMetricsSchema, ...commonErrors },
      },
    },
    () => engine().kernelMetrics(),
  );
  app.get(
    "/api/kernel-metrics/history",
    {
      schema: {
        operationId: "getKernelMetricsHistory",
        tags: ["fleet"],
        summary: "The kernel metrics of the last two hours",
        querystring: z.object({ limit: limitQuery(1_440, 720) }),
        response: { 200: kernelHistorySchema, ...commonErrors },
      },
    },
    async ({ query }) => ({
      intervalMs: KERNEL_SAMPLE_MS,
      samples: await engine().kernelHistory({ limit: query.limit }),
    }),
  );
}

/** The tree, permits, workers, schedules, breakers, transitions and the optimizer's decisions. */
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import { KERNEL_SAMPLE_MS } from "../../../permits/optimizer/kernelMetrics.ts";
import type { Webhook } from "../../../session/webhook.ts";
import { type SeriesRange, seriesNames, seriesRanges } from "../../../workers/series.ts";
import { optionalProvider, type Route, route } from "../route.ts";
import {
  breakerResetSchema,
  breakersSchema,
  breakerTransitionsSchema,
  etlTreeSchema,
  historySchema,
  kernelHistorySchema,
  kernelMetricsSchema,
  limitQuery,
  overviewSchema,
  permitSizeSchema,
  permitsSchema,
  quotaEventsSchema,
  reasonBodySchema,
  resizeBodySchema,
  schedulesSchema,
  seriesSchema,
  transitionsSchema,
  webhookSchema,
  webhookTestSchema,
  workersSchema,
} from "../schemas.ts";

const isConfigured = (webhook: Webhook | undefined): Webhook => {
  if (webhook !== undefined) return webhook;
  throw new UeeError("API_NOT_FOUND", "No webhook is configured: this process has no UEE_WEBHOOK_URL.");
};

const upstreamName = z.string().max(64);

export const fleetRoutes: readonly Route[] = [
  route({
    path: "GET /api/etl-tree",
    about: ["getEtlTree", "fleet", "The fleet's machine and every provider's"],
    answer: etlTreeSchema,
    handle: ({ engine }) => engine.etlTree(),
  }),
  route({
    path: "GET /api/overview",
    about: ["getOverview", "fleet", "Everything that the dashboard's tree shows"],
    description:
      "At most 250 ms old, and never older than the last change asked of this process; `at` tells when it was taken.",
    answer: overviewSchema,
    handle: async ({ view, limits }) => (await view.tree(limits.freshMs)).overview,
  }),
  route({
    path: "GET /api/kernel-metrics",
    about: ["getKernelMetrics", "fleet", "Latency, saturation, permits and rates of the fleet"],
    answer: kernelMetricsSchema,
    handle: ({ engine }) => engine.kernelMetrics(),
  }),
  route({
    path: "GET /api/kernel-metrics/history",
    about: ["getKernelMetricsHistory", "fleet", "The kernel metrics of the last two hours"],
    query: z.object({ limit: limitQuery(1_440, 720) }),
    answer: kernelHistorySchema,
    handle: async ({ engine, query }) => ({
      intervalMs: KERNEL_SAMPLE_MS,
      samples: await engine.kernelHistory(query),
    }),
  }),
  route({
    path: "GET /api/series",
    about: ["getSeries", "fleet", "Throughput, requests, errors or Redis' memory over hours or weeks"],
    query: z.object({
      name: z
        .enum(seriesNames)
        .describe(
          "throughput: records processed; requests: sent; errors: jobs that spent an attempt or failed",
        ),
      range: z.enum(Object.keys(seriesRanges) as SeriesRange[]).default("6h"),
      provider: optionalProvider,
    }),
    errors: [404],
    answer: seriesSchema,
    handle: ({ engine, query }) => engine.series(query),
  }),
  route({
    path: "GET /api/permits",
    about: ["getPermits", "permits", "The permit pool: size, holders, waiters"],
    answer: permitsSchema,
    handle: ({ engine }) => engine.permits.show(),
  }),
  route({
    path: "PUT /api/permits/size",
    about: ["resizePermits", "permits", "Set the size of the permit pool; it persists"],
    body: resizeBodySchema,
    status: 202,
    answer: permitSizeSchema,
    handle: ({ engine, body, by }) => engine.permits.resize(body.size, by),
  }),
  route({
    path: "GET /api/workers",
    about: ["listWorkers", "fleet", "Every worker that is known, with its last heartbeat"],
    answer: workersSchema,
    handle: async ({ engine }) => ({ workers: await engine.workers() }),
  }),
  route({
    path: "GET /api/schedules",
    about: ["listSchedules", "fleet", "Next scheduled run of each provider, and the result of the last one"],
    answer: schedulesSchema,
    handle: async ({ engine }) => ({ schedules: await engine.schedules() }),
  }),
  route({
    path: "GET /api/webhook",
    about: [
      "getWebhook",
      "fleet",
      "Whether a webhook is configured, and how many messages wait or were given up",
    ],
    answer: webhookSchema,
    async handle({ webhook }) {
      const own = webhook();
      return { configured: own !== undefined, ...((await own?.queued()) ?? { waiting: 0, failed: 0 }) };
    },
  }),
  route({
    path: "POST /api/webhook/test",
    about: ["testWebhook", "fleet", "Send a test message to the webhook; 502: its receiver did not take it"],
    body: reasonBodySchema,
    errors: [404, 502],
    answer: webhookTestSchema,
    async handle({ webhook, by }) {
      await isConfigured(webhook()).test(by.actor);
      return { sent: true as const };
    },
  }),
  route({
    path: "GET /api/history",
    about: ["listHistory", "history", "What happened, who did it and why: the same rows as `uee history`"],
    description:
      "Transitions of machines and breakers, decisions about permits, and what was done with dead letters.",
    query: z.object({
      provider: optionalProvider,
      people: z.stringbool().default(false).describe("Only what people did"),
      limit: limitQuery(1_000, 100),
    }),
    errors: [404],
    answer: historySchema,
    handle: async ({ engine, query }) => ({ history: await engine.history(query) }),
  }),
  route({
    path: "GET /api/transitions",
    about: ["listTransitions", "history", "Transitions of the machines with actor and reason"],
    query: z.object({ provider: optionalProvider, limit: limitQuery(1_000, 100) }),
    answer: transitionsSchema,
    handle: async ({ engine, query }) => ({ transitions: await engine.transitions(query) }),
  }),
  route({
    path: "GET /api/quota-events",
    about: ["listQuotaEvents", "history", "Decisions about the permit pool, by the optimizer and operators"],
    query: z.object({ limit: limitQuery(1_000, 100) }),
    answer: quotaEventsSchema,
    handle: async ({ engine, query }) => ({ quotaEvents: await engine.quotaEvents(query) }),
  }),
  route({
    path: "GET /api/breakers",
    about: ["listBreakers", "breakers", "The circuit breaker of every upstream"],
    answer: breakersSchema,
    handle: async ({ engine }) => ({ breakers: await engine.breakers() }),
  }),
  route({
    path: "GET /api/breakers/transitions",
    about: ["listBreakerTransitions", "breakers", "When breakers opened and closed, and why"],
    query: z.object({ upstream: upstreamName.optional(), limit: limitQuery(1_000, 100) }),
    errors: [404],
    answer: breakerTransitionsSchema,
    handle: async ({ engine, query }) => ({ transitions: await engine.breakerTransitions(query) }),
  }),
  route({
    path: "POST /api/breakers/:upstream/reset",
    about: ["resetBreaker", "breakers", "Close a breaker; it opens again if calls continue to fail"],
    params: z.object({ upstream: upstreamName.describe("Name of the provider that it feeds") }),
    body: reasonBodySchema,
    errors: [404, 409],
    status: 202,
    answer: breakerResetSchema,
    async handle({ engine, params, by }) {
      const { changed, view } = await engine.resetBreaker(params.upstream, by);
      return { changed, breaker: view };
    },
  }),
];

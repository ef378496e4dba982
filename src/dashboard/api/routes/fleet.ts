/** Permits, workers, schedules, transitions and the optimizer's decisions. */
import { z } from "zod";
import type { App, RouteSurroundings } from "../../app.ts";
import {
  limitQuery,
  permitSizeSchema,
  permitsSchema,
  quotaEventsSchema,
  resizeBodySchema,
  schedulesSchema,
  transitionsSchema,
  workersSchema,
} from "../schemas.ts";
import { bodyErrors, commonErrors, optionalProvider, person } from "./shared.ts";

export function fleetRoutes(app: App, { engine }: RouteSurroundings): void {
  app.get(
    "/api/permits",
    {
      schema: {
        operationId: "getPermits",
        tags: ["permits"],
        summary: "The permit pool: size, holders, waiters",
        response: { 200: permitsSchema, ...commonErrors },
      },
    },
    () => engine().permits.show(),
  );
  app.put(
    "/api/permits/size",
    {
      schema: {
        operationId: "resizePermits",
        tags: ["permits"],
        summary: "Set the size of the permit pool; it persists",
        body: resizeBodySchema,
        response: { 202: permitSizeSchema, ...bodyErrors },
      },
    },
    async (request, reply) => {
      const { size, reason } = request.body;
      void reply.code(202);
      return await engine().permits.resize(size, person(request, reason));
    },
  );
  app.get(
    "/api/workers",
    {
      schema: {
        operationId: "listWorkers",
        tags: ["fleet"],
        summary: "Every worker that is known, with its last heartbeat",
        response: { 200: workersSchema, ...commonErrors },
      },
    },
    async () => ({ workers: await engine().workers() }),
  );
  app.get(
    "/api/schedules",
    {
      schema: {
        operationId: "listSchedules",
        tags: ["fleet"],
        summary: "Next scheduled run of each provider, and the result of the last one",
        response: { 200: schedulesSchema, ...commonErrors },
      },
    },
    async () => ({ schedules: await engine().schedules() }),
  );
  app.get(
    "/api/transitions",
    {
      schema: {
        operationId: "listTransitions",
        tags: ["history"],
        summary: "Transitions of the machines with actor and reason",
        querystring: z.object({ provider: optionalProvider, limit: limitQuery(1_000, 100) }),
        response: { 200: transitionsSchema, ...commonErrors },
      },
    },
    async ({ query }) => ({ transitions: await engine().transitions(query) }),
  );
  app.get(
    "/api/quota-events",
    {
      schema: {
        operationId: "listQuotaEvents",
        tags: ["history"],
        summary: "Decisions about the permit pool, by the optimizer and operators",
        querystring: z.object({ limit: limitQuery(1_000, 100) }),
        response: { 200: quotaEventsSchema, ...commonErrors },
      },
    },
    async ({ query }) => ({ quotaEvents: await engine().quotaEvents(query) }),
  );
}

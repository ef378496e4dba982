/** Circuit breakers: their states, their transitions, and closing one on request. */
import { z } from "zod";
import type { App, RouteSurroundings } from "../../app.ts";
import {
  breakerResetSchema,
  breakersSchema,
  breakerTransitionsSchema,
  errorSchema,
  limitQuery,
  reasonBodySchema,
} from "../schemas.ts";
import { bodyErrors, commonErrors, person } from "./shared.ts";

const upstreamName = z.string().max(64);

export function breakerRoutes(app: App, { engine }: RouteSurroundings): void {
  app.get(
    "/api/breakers",
    {
      schema: {
        operationId: "listBreakers",
        tags: ["breakers"],
        summary: "The circuit breaker of every upstream",
        response: { 200: breakersSchema, ...commonErrors },
      },
    },
    async () => ({ breakers: await engine().breakers() }),
  );
  app.get(
    "/api/breakers/transitions",
    {
      schema: {
        operationId: "listBreakerTransitions",
        tags: ["breakers"],
        summary: "When breakers opened and closed, and why",
        querystring: z.object({ upstream: upstreamName.optional(), limit: limitQuery(1_000, 100) }),
        response: { 200: breakerTransitionsSchema, 404: errorSchema, ...commonErrors },
      },
    },
    async ({ query }) => ({ transitions: await engine().breakerTransitions(query) }),
  );
  app.post(
    "/api/breakers/:upstream/reset",
    {
      schema: {
        operationId: "resetBreaker",
        tags: ["breakers"],
        summary: "Close a breaker; it opens again if calls continue to fail",
        params: z.object({ upstream: upstreamName.describe("Name of the provider that it feeds") }),
        body: reasonBodySchema,
        response: { 202: breakerResetSchema, ...bodyErrors, 404: errorSchema, 409: errorSchema },
      },
    },
    async (request, reply) => {
      const by = person(request, request.body.reason);
      const { changed, view } = await engine().resetBreaker(request.params.upstream, by);
      void reply.code(202);
      return { changed, breaker: view };
    },
  );
}

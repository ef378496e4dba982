/** A provider's checkpoints, runs, and the four actions on it. */
import { z } from "zod";
import { isUeeError, UeeError } from "../../../core/errors.ts";
import type { Engine, ProviderAction } from "../../../engine/api.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import {
  acceptedSchema,
  checkpointsSchema,
  errorSchema,
  limitQuery,
  reasonBodySchema,
  runsSchema,
  startBodySchema,
  startedSchema,
} from "../schemas.ts";
import { bodyErrors, commonErrors, optionalProvider, person, providerParams } from "./shared.ts";

const summaries = {
  pause:
    "New batches stop at once, running ones at their next safe point; the pause lasts until an operator resumes",
  resume: "Go on from the checkpoint",
  stop: "Cancel the planned batches of the open run and close it as stopped",
} as const;

const actionErrors = { ...bodyErrors, 404: errorSchema, 409: errorSchema } as const;

export function providerRoutes(app: App, { engine }: RouteSurroundings): void {
  app.get(
    "/api/providers/:id/checkpoints",
    {
      schema: {
        operationId: "listCheckpoints",
        tags: ["providers"],
        summary: "Committed and failed batches",
        params: providerParams,
        querystring: z.object({
          limit: limitQuery(1_000, 50),
          success_only: z.stringbool().default(false).describe("Omit failed ones"),
        }),
        response: { 200: checkpointsSchema, 404: errorSchema, ...commonErrors },
      },
    },
    async ({ params, query }) => ({
      checkpoints: await engine().checkpoints(params.id, {
        limit: query.limit,
        successOnly: query.success_only,
      }),
    }),
  );
  app.get(
    "/api/runs",
    {
      schema: {
        operationId: "listRuns",
        tags: ["providers"],
        summary: "Open and closed runs",
        querystring: z.object({ provider: optionalProvider, limit: limitQuery(200, 20) }),
        response: { 200: runsSchema, 404: errorSchema, ...commonErrors },
      },
    },
    async ({ query }) => ({ runs: await engine().runs(query) }),
  );
  app.post(
    "/api/providers/:id/start",
    {
      schema: {
        operationId: "startRun",
        tags: ["providers"],
        summary: "Open a run, or join the open one",
        params: providerParams,
        body: startBodySchema,
        response: { 202: startedSchema, ...actionErrors },
      },
    },
    async (request, reply) => {
      const { reason, ...run } = request.body;
      const wanted = { provider: request.params.id, ...run, ...person(request, reason) };
      const opened = await judged(engine(), "start", wanted.provider, () => engine().openRun(wanted));
      void reply.code(202);
      return opened;
    },
  );
  for (const action of ["pause", "resume", "stop"] as const) {
    app.post(
      `/api/providers/:id/${action}`,
      {
        schema: {
          operationId: `${action}Provider`,
          tags: ["providers"],
          summary: summaries[action],
          params: providerParams,
          body: reasonBodySchema,
          response: { 202: acceptedSchema, ...actionErrors },
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        const by = person(request, request.body.reason);
        const machine = await judged(engine(), action, id, () => engine()[action](id, by));
        void reply.code(202);
        return { machine };
      },
    );
  }
}

/** A refusal names the provider's state and the states that would allow the action. */
async function judged<Result>(
  engine: Engine,
  action: ProviderAction,
  provider: string,
  ask: () => Promise<Result>,
): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (!isUeeError(error, "PROV_ILLEGAL_TRANSITION", "PROV_PAUSED", "PROV_RUN_OPEN")) throw error;
    const [newest] = await engine.transitions({ provider, limit: 1 });
    throw new UeeError(error.code, error.detail, {
      cause: error,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      data: { state: newest?.newState ?? "IDLE", allowed: engine.statesFor(action), ...error.data },
    });
  }
}

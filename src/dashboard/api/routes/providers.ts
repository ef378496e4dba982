/** A provider's checkpoints, runs, and the four actions on it. */
import { z } from "zod";
import { isUeeError, UeeError } from "../../../core/errors.ts";
import type { Engine, ProviderAction } from "../../../engine/api.ts";
import { runStory } from "../../live/runStory.ts";
import { optionalProvider, providerParams, type Route, route } from "../route.ts";
import {
  acceptedSchema,
  checkpointsSchema,
  limitQuery,
  reasonBodySchema,
  runStorySchema,
  runsSchema,
  startBodySchema,
  startedSchema,
} from "../schemas.ts";

const summaries = {
  pause:
    "New batches stop at once, running ones at their next safe point; the pause lasts until an operator resumes",
  resume: "Go on from the checkpoint",
  stop: "Cancel the planned batches of the open run and close it as stopped",
} as const;

const changing = (action: keyof typeof summaries): Route =>
  route({
    path: `POST /api/providers/:id/${action}`,
    about: [`${action}Provider`, "providers", summaries[action]],
    params: providerParams,
    body: reasonBodySchema,
    errors: [404, 409],
    status: 202,
    answer: acceptedSchema,
    handle: async ({ engine, params: { id }, by }) => ({
      machine: await explained(engine, action, id, () => engine[action](id, by)),
    }),
  });

export const providerRoutes: readonly Route[] = [
  route({
    path: "GET /api/providers/:id/checkpoints",
    about: ["listCheckpoints", "providers", "Committed and failed batches"],
    params: providerParams,
    query: z.object({
      limit: limitQuery(1_000, 50),
      success_only: z.stringbool().default(false).describe("Omit failed ones"),
    }),
    errors: [404],
    answer: checkpointsSchema,
    handle: async ({ engine, params, query: { limit, success_only: successOnly } }) => ({
      checkpoints: await engine.checkpoints(params.id, { limit, successOnly }),
    }),
  }),
  route({
    path: "GET /api/runs",
    about: ["listRuns", "providers", "Open and closed runs"],
    query: z.object({ provider: optionalProvider, limit: limitQuery(200, 20) }),
    errors: [404],
    answer: runsSchema,
    handle: async ({ engine, query }) => ({ runs: await engine.runs(query) }),
  }),
  route({
    path: "GET /api/runs/:id",
    about: ["getRun", "providers", "One run with the run before it, its batches, transitions and waits"],
    params: z.object({ id: z.string().max(200).describe("Id of the run") }),
    errors: [404],
    answer: runStorySchema,
    handle: ({ engine, params }) => runStory(engine, params.id),
  }),
  route({
    path: "POST /api/providers/:id/start",
    about: ["startRun", "providers", "Open a run, or join the open one"],
    params: providerParams,
    body: startBodySchema,
    errors: [404, 409],
    status: 202,
    answer: startedSchema,
    handle: ({ engine, params: { id }, body: { reason: _by, ...run }, by }) =>
      explained(engine, "start", id, () => engine.openRun({ provider: id, ...run, ...by })),
  }),
  changing("pause"),
  changing("resume"),
  changing("stop"),
];

/** A refusal names the provider's state and the states that would allow the action. */
async function explained<Result>(
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
      retryAfterMs: error.retryAfterMs,
      data: { state: newest?.newState ?? "IDLE", allowed: engine.statesFor(action), ...error.data },
    });
  }
}

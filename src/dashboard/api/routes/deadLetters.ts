/** Dead letters: list, show, replay, accept, purge. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { DeadLetterActionOptions, DeadLetterSelection } from "../../../recovery/deadLetters/api.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import { askerGone } from "../../deadline.ts";
import {
  deadLetterActionSchema,
  deadLetterQuerySchema,
  deadLetterReportSchema,
  deadLetterSchema,
  deadLetterStatsSchema,
  deadLettersSchema,
  errorSchema,
  purgeReportSchema,
  replayReportSchema,
} from "../schemas.ts";
import { bodyErrors, commonErrors, optionalProvider, person } from "./shared.ts";

/** Time for thousands of dead letters, one by one, ms. */
const ACTION_MS = 120_000;

const letterParams = z.object({
  id: z.string().max(200).describe("The id of the dead letter, or of its job"),
});
const rawBytes = z
  .string()
  .meta({ id: "RawBytes", description: "The bytes that the upstream sent", format: "binary" });

const actionErrors = { ...bodyErrors, 404: errorSchema } as const;

export function deadLetterRoutes(app: App, { engine }: RouteSurroundings): void {
  const letters = () => engine().deadLetters;
  app.get(
    "/api/dead-letters",
    {
      schema: {
        operationId: "listDeadLetters",
        tags: ["dead letters"],
        summary: "Dead letters, page by page, newest failure first",
        querystring: deadLetterQuerySchema,
        response: { 200: deadLettersSchema, 404: errorSchema, ...commonErrors },
      },
    },
    ({ query: { limit, cursor, ...filter } }) =>
      letters().list(filter, { limit, ...(cursor === undefined ? {} : { cursor }) }),
  );
  app.get(
    "/api/dead-letters/stats",
    {
      schema: {
        operationId: "getDeadLetterStats",
        tags: ["dead letters"],
        summary: "Counts by state, code, class and provider, and the share of the cap",
        querystring: z.object({ provider: optionalProvider }),
        response: { 200: deadLetterStatsSchema, 404: errorSchema, ...commonErrors },
      },
    },
    ({ query }) => letters().stats(query),
  );
  app.get(
    "/api/dead-letters/:id",
    {
      schema: {
        operationId: "getDeadLetter",
        tags: ["dead letters"],
        summary: "One of them",
        params: letterParams,
        response: { 200: deadLetterSchema, 404: errorSchema, ...commonErrors },
      },
    },
    async ({ params }) => (await letters().show(params.id)).letter,
  );
  app.get(
    "/api/dead-letters/:id/raw",
    {
      schema: {
        operationId: "getRawBytes",
        tags: ["dead letters"],
        summary: "The bytes of a bad record; 204 for a batch, which has none",
        params: letterParams,
        response: {
          200: { content: { "application/octet-stream": { schema: rawBytes } } },
          204: z.null().describe("No bytes are kept"),
          404: errorSchema,
          ...commonErrors,
        },
      },
    },
    async ({ params }, reply) => {
      const raw = await letters().raw(params.id);
      if (raw === null) {
        void reply.code(204);
        return null;
      }
      // The browser must never render it: an upstream could send a page.
      void reply.headers({ "content-disposition": "attachment", "cache-control": "no-store" });
      void reply.type("application/octet-stream");
      return raw as unknown as string;
    },
  );
  app.post(
    "/api/dead-letters/replay",
    {
      handlerTimeout: ACTION_MS,
      schema: {
        operationId: "replayDeadLetters",
        tags: ["dead letters"],
        summary: "Create a new job with new attempts for each dead letter",
        body: deadLetterActionSchema,
        response: { 202: replayReportSchema, ...actionErrors },
      },
    },
    async (request, reply) => {
      void reply.code(202);
      return await letters().replay(...wish(request, reply, request.body));
    },
  );
  app.post(
    "/api/dead-letters/accept",
    {
      handlerTimeout: ACTION_MS,
      schema: {
        operationId: "acceptDeadLetters",
        tags: ["dead letters"],
        summary: "Accept bad records until the upstream sends other content",
        body: deadLetterActionSchema,
        response: { 202: deadLetterReportSchema, ...actionErrors },
      },
    },
    async (request, reply) => {
      void reply.code(202);
      return await letters().accept(...wish(request, reply, request.body));
    },
  );
  app.post(
    "/api/dead-letters/purge",
    {
      handlerTimeout: ACTION_MS,
      schema: {
        operationId: "purgeDeadLetters",
        tags: ["dead letters"],
        summary: "Forget them for ever",
        body: deadLetterActionSchema,
        response: { 202: purgeReportSchema, ...actionErrors },
      },
    },
    async (request, reply) => {
      void reply.code(202);
      return await letters().purge(...wish(request, reply, request.body));
    },
  );
}

/** The selection, the actor and the reason. A client that disconnects ends the action between two dead letters. */
function wish(
  request: FastifyRequest,
  reply: Pick<FastifyReply, "raw">,
  { ids, filter, reason, ...more }: z.output<typeof deadLetterActionSchema>,
): [DeadLetterSelection, DeadLetterActionOptions] {
  return [
    ids === undefined ? (filter ?? {}) : { ids },
    { ...more, ...person(request, reason), signal: askerGone(reply) },
  ];
}

/** Dead letters: list, show, replay, accept, purge. */
import { z } from "zod";
import type { DeadLetterActionOptions, DeadLetterSelection } from "../../../recovery/deadLetters/api.ts";
import { groupLetters, listWithText } from "../../live/deadLetterGroups.ts";
import { optionalProvider, type Route, route } from "../route.ts";
import {
  deadLetterActionSchema,
  deadLetterGroupsSchema,
  deadLetterQuerySchema,
  deadLetterReportSchema,
  deadLetterSchema,
  deadLetterStatsSchema,
  deadLettersSchema,
  purgeReportSchema,
  replayReportSchema,
} from "../schemas.ts";

const letterParams = z.object({
  id: z.string().max(200).describe("The id of the dead letter, or of its job"),
});
const rawBytes = z
  .string()
  .meta({ id: "RawBytes", description: "The bytes that the upstream sent", format: "binary" });

/** An action may take minutes for thousands of dead letters, one by one. */
const action = <Answer extends z.ZodType>(
  name: "replay" | "accept" | "purge",
  summary: string,
  answer: Answer,
): Route =>
  route({
    path: `POST /api/dead-letters/${name}`,
    about: [`${name}DeadLetters`, "dead letters", summary],
    body: deadLetterActionSchema,
    errors: [404],
    status: 202,
    answer,
    options: { handlerTimeout: 120_000 },
    handle({ engine, body: { ids, filter, reason: _by, ...more }, by, gone }) {
      const selection: DeadLetterSelection = ids === undefined ? (filter ?? {}) : { ids };
      // A client that disconnects ends the action between two dead letters.
      const options: DeadLetterActionOptions = { ...more, ...by, signal: gone() };
      return engine.deadLetters[name](selection, options) as Promise<z.output<Answer>>;
    },
  });

export const deadLetterRoutes: readonly Route[] = [
  route({
    path: "GET /api/dead-letters",
    about: ["listDeadLetters", "dead letters", "Dead letters, page by page, newest failure first"],
    query: deadLetterQuerySchema,
    errors: [404],
    answer: deadLettersSchema,
    handle: ({ engine, query: { limit, cursor, text, ...filter } }) =>
      text === undefined
        ? engine.deadLetters.list(filter, { limit, cursor })
        : listWithText(engine, filter, text, { limit, cursor }),
  }),
  route({
    path: "GET /api/dead-letters/groups",
    about: ["groupDeadLetters", "dead letters", "Dead letters by provider, code and field"],
    query: z.object({ provider: optionalProvider }),
    errors: [404],
    answer: deadLetterGroupsSchema,
    handle: async ({ engine, query }) => ({ groups: await groupLetters(engine, query.provider) }),
  }),
  route({
    path: "GET /api/dead-letters/stats",
    about: [
      "getDeadLetterStats",
      "dead letters",
      "Counts by state, code, class and provider, and the share of the cap",
    ],
    query: z.object({ provider: optionalProvider }),
    errors: [404],
    answer: deadLetterStatsSchema,
    handle: ({ engine, query }) => engine.deadLetters.stats(query),
  }),
  route({
    path: "GET /api/dead-letters/:id",
    about: ["getDeadLetter", "dead letters", "One of them"],
    params: letterParams,
    errors: [404],
    answer: deadLetterSchema,
    handle: async ({ engine, params }) => (await engine.deadLetters.show(params.id)).letter,
  }),
  route({
    path: "GET /api/dead-letters/:id/raw",
    about: ["getRawBytes", "dead letters", "The bytes of a bad record; 204 for a batch, which has none"],
    params: letterParams,
    errors: [404],
    answer: z.unknown(),
    content: {
      200: { content: { "application/octet-stream": { schema: rawBytes } } },
      204: z.null().describe("No bytes are kept"),
    },
    async handle({ engine, params, reply }) {
      const raw = await engine.deadLetters.raw(params.id);
      if (raw === null) {
        void reply.code(204);
        return null;
      }
      // The browser must never render it: an upstream could send a page.
      void reply.headers({ "content-disposition": "attachment", "cache-control": "no-store" });
      void reply.type("application/octet-stream");
      return raw;
    },
  }),
  action("replay", "Create a new job with new attempts for each dead letter", replayReportSchema),
  action("accept", "Accept bad records until the upstream sends other content", deadLetterReportSchema),
  action("purge", "Forget them for ever", purgeReportSchema),
];

/** A route of the API as data: its texts, its schemas, and the function that answers. */
import type { FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from "fastify";
import { z } from "zod";
import { UeeError } from "../../core/errors.ts";
import type { Engine, PersonRequest } from "../../engine/api.ts";
import type { App, RouteSurroundings } from "../app.ts";
import { errorSchema } from "./schemas.ts";

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a handler gets. */
interface Call<Params, Query, Body> extends Pick<RouteSurroundings, "view" | "limits" | "webhook"> {
  engine: Engine;
  params: Output<Params>;
  query: Output<Query>;
  body: Output<Body>;
  /** The caller, with the reason of the body; stored with the action. */
  by: PersonRequest & { actor: string };
  /** Fires when the client disconnects before the answer is complete. */
  gone(): AbortSignal;
  reply: Pick<FastifyReply, "code" | "headers" | "type">;
}

interface RouteSpec<Params, Query, Body, Answer extends z.ZodType> {
  /** `GET /api/permits` */
  path: `${"GET" | "POST" | "PUT"} /${string}`;
  /** For the OpenAPI document: operation id, tag, summary. */
  about: readonly [id: string, tag: string, summary: string];
  description?: string;
  params?: Params;
  query?: Query;
  body?: Body;
  answer: Answer;
  /** Replaces `answer` in the document. */
  content?: FastifySchema["response"];
  /** 202: the action was accepted. */
  status?: 200 | 202;
  /** Beside those of every route. */
  errors?: readonly (404 | 409 | 410 | 502)[];
  options?: Pick<RouteOptions, "handlerTimeout" | "serializerCompiler">;
  handle(call: Call<Params, Query, Body>): z.output<Answer> | Promise<z.output<Answer>>;
}

export type Route = RouteSpec<z.ZodType, z.ZodType, z.ZodType, z.ZodType>;

/** Infers the types of the handler from the schemas. */
export const route = <
  Answer extends z.ZodType,
  Params extends z.ZodType | undefined = undefined,
  Query extends z.ZodType | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(
  spec: RouteSpec<Params, Query, Body, Answer>,
): Route => spec as unknown as Route;

const errorsOf = (...statuses: number[]): Record<number, typeof errorSchema> =>
  Object.fromEntries(statuses.map((status) => [status, errorSchema]));

/** Errors that any route may return; 503: Redis is unreachable. */
export const commonErrors = errorsOf(400, 401, 403, 429, 503);
/** For routes with a body. */
export const bodyErrors = { ...commonErrors, ...errorsOf(413, 415) };

export const providerParams = z.object({ id: z.string().max(64).describe("Name of the provider") });
export const optionalProvider = z.string().max(64).optional().describe("Only this provider");

export function addRoutes(
  app: App,
  routes: readonly Route[],
  { engine, view, limits, webhook }: RouteSurroundings,
): void {
  for (const { path, about, description, params, query, body, answer, handle, ...more } of routes) {
    const [method = "", url = ""] = path.split(" ");
    const [operationId, tag, summary] = about;
    const { status = 200, errors = [], content, options } = more;
    const given = Object.entries({ description, params, querystring: query, body });
    app.route({
      ...options,
      method,
      url,
      schema: {
        ...{ operationId, tags: [tag], summary },
        ...Object.fromEntries(given.filter(([, schema]) => schema !== undefined)),
        response: {
          ...(content ?? { [status]: answer }),
          ...(body === undefined ? commonErrors : bodyErrors),
          ...errorsOf(...errors),
        },
      },
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        void reply.code(status);
        const reason = (request.body as { reason?: string } | undefined)?.reason;
        return handle({
          ...{ engine: engine(), view, limits, webhook, params: request.params, query: request.query },
          ...{ body: request.body, reply, gone: () => clientGone(reply) },
          get by() {
            if (request.who === undefined) throw new UeeError("API_UNAUTHORIZED");
            return { actor: request.who.actor, ...(reason ? { reason } : {}) };
          },
        });
      },
    } as unknown as RouteOptions & Parameters<App["route"]>[0]);
  }
}

/** (`request.signal` fires once the body was read.) */
function clientGone(reply: Pick<FastifyReply, "raw">): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

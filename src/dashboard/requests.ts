/** What holds for every request: it is answered in time, and it is logged. */
import type { RouteHandlerMethod } from "fastify";
import { UeeError } from "../core/errors.ts";
import { inTime } from "../core/waiting.ts";
import type { App } from "./app.ts";

/**
 * Answers every request in time, even if Redis hangs. Fastify's own `handlerTimeout` covers requests without a body;
 * for others it ends with the request's stream, which Node closes as soon as the body was read.
 *
 * The result or error of a handler after the deadline is dropped: the answer has been sent. Handlers therefore return
 * their result and never call `reply.send` after a wait.
 *
 * Register before any route. A route's own `handlerTimeout` applies here too.
 */
export function installDeadline(app: App, answerMs: number): void {
  app.addHook("onRoute", (route) => {
    const handler = route.handler as RouteHandlerMethod;
    const hasBody = route.method !== "GET" && route.method !== "HEAD";
    const limitMs = route.handlerTimeout ?? answerMs;
    const bounded: RouteHandlerMethod = function bounded(request, reply) {
      const work: unknown = handler.call(this, request, reply);
      if (!(work instanceof Promise)) return work;
      const found = work.then(
        (answer: unknown) => (reply.sent ? undefined : answer),
        (error: unknown) => {
          if (!reply.sent) throw error;
        },
      );
      return hasBody ? inTime(limitMs, found, tooLate) : found;
    };
    route.handler = bounded as typeof route.handler;
  });
}

const tooLate = (): never => {
  throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.", { retryAfterMs: 1_000 });
};

/** One log line per request: actor, route, result. Never a header, a query or a body: these may contain secrets. */
export function installRequestLog(app: App): void {
  app.addHook("onResponse", async (request, reply) => {
    const { statusCode } = reply;
    const changes = request.method !== "GET" && request.method !== "HEAD";
    // Probes, scrapes and pages are too frequent to log; writes and failures are logged.
    const level = statusCode >= 500 && statusCode !== 503 ? "error" : changes ? "info" : "debug";
    request.log[level](
      {
        event: "http_request",
        method: request.method,
        route: request.routeOptions.url ?? "unknown",
        status: statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
        actor: request.who?.actor,
        ...idOf(request.params),
      },
      `${request.method} ${request.routeOptions.url ?? "unknown"} ${statusCode}`,
    );
  });
}

/** The provider, or the entry, that a route names. */
function idOf(params: unknown): { id?: string } {
  const { id } = (params ?? {}) as { id?: unknown };
  return typeof id === "string" ? { id: id.slice(0, 100) } : {};
}

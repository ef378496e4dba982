/**
 * Answers every request in time, even if Redis hangs. Fastify's own `handlerTimeout` covers requests without a body;
 * for others it ends with the request's stream, which Node closes as soon as the body was read.
 *
 * The result or error of a handler after the deadline is dropped: the answer has been sent. Handlers therefore return
 * their result and never call `reply.send` after a wait.
 */
import type { RouteHandlerMethod } from "fastify";
import { UeeError } from "../core/errors.ts";
import type { App } from "./app.ts";

/** Register before any route. A route's own `handlerTimeout` applies here too. */
export function installDeadline(app: App, answerMs: number): void {
  app.addHook("onRoute", (route) => {
    const handler = route.handler as RouteHandlerMethod;
    const hasBody = route.method !== "GET" && route.method !== "HEAD";
    const limitMs = route.handlerTimeout ?? answerMs;
    const inTime: RouteHandlerMethod = function inTime(request, reply) {
      const work: unknown = handler.call(this, request, reply);
      if (!(work instanceof Promise)) return work;
      const found = work.then(
        (answer: unknown) => (reply.sent ? undefined : answer),
        (error: unknown) => {
          if (!reply.sent) throw error;
        },
      );
      return hasBody ? orLate(found, limitMs) : found;
    };
    route.handler = inTime as typeof route.handler;
  });
}

async function orLate(work: Promise<unknown>, limitMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.", {
      retryAfterMs: 1_000,
    });
    timer = setTimeout(() => reject(error), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Every request is answered in time, even where Redis hangs. Fastify's own `handlerTimeout` does it for requests without a
 * body; with one it ends with the request's stream, which on Node closes as soon as the body was read.
 *
 * What a handler returns or throws after that is dropped: the answer is gone. Handlers therefore return what they found and
 * never `reply.send` it after they waited for something.
 */
import type { FastifyReply, RouteHandlerMethod } from "fastify";
import { UeeError } from "../core/errors.ts";
import type { App } from "./app.ts";

/** Before any route. A route's own `handlerTimeout` counts here too. */
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

/** Fires when the asker goes away before the answer is complete. (`request.signal` fires once the body was read.) */
export function askerGone(reply: Pick<FastifyReply, "raw">): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

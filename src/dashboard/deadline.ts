/**
 * Changes are answered in time even where Redis hangs. Fastify's own `handlerTimeout` ends with the request's stream, which
 * on Node closes as soon as the body was read; for requests without a body it holds.
 */
import type { FastifyReply, RouteHandlerMethod } from "fastify";
import { UeeError } from "../core/errors.ts";
import type { App } from "./app.ts";

/** Before any route. A route's own `handlerTimeout` counts here too. */
export function installDeadline(app: App, answerMs: number): void {
  app.addHook("onRoute", (route) => {
    if (route.method === "GET" || route.method === "HEAD") return;
    const handler = route.handler as RouteHandlerMethod;
    const limitMs = route.handlerTimeout ?? answerMs;
    const inTime: RouteHandlerMethod = async function inTime(request, reply) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        const error = new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.", {
          retryAfterMs: 1_000,
        });
        timer = setTimeout(() => reject(error), limitMs);
      });
      try {
        return await Promise.race([handler.call(this, request, reply), late]);
      } finally {
        clearTimeout(timer);
      }
    };
    route.handler = inTime as typeof route.handler;
  });
}

/** Fires when the asker goes away before the answer is complete. (`request.signal` fires once the body was read.) */
export function askerGone(reply: Pick<FastifyReply, "raw">): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** The stream of events. */
import { UeeError } from "../../../core/errors.ts";
import type { App } from "../../app.ts";
import type { EventHub } from "../../live/eventHub.ts";
import type { EndedSessions } from "../../security/endedSessions.ts";
import { eventStreamSchema } from "../schemas.ts";
import { commonErrors } from "./shared.ts";

export interface EventSurroundings {
  hub: EventHub;
  ended: EndedSessions;
  /** Streams open at once. */
  followers: number;
}

export function eventRoutes(app: App, { hub, ended, followers }: EventSurroundings): void {
  app.get(
    "/events",
    {
      schema: {
        operationId: "followEvents",
        tags: ["fleet"],
        summary: "Changes as server-sent events; `Last-Event-ID` resumes",
        response: {
          200: { content: { "text/event-stream": { schema: eventStreamSchema } } },
          ...commonErrors,
        },
      },
    },
    (request, reply) => {
      if (hub.followers >= followers) throw new UeeError("API_BUSY", undefined, { retryAfterMs: 5_000 });
      const { session } = request.who!;
      const { "last-event-id": lastEventId } = request.headers;
      reply.hijack();
      const response = reply.raw;
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // The connection carries nothing else: when the stream ends, so does the connection.
        connection: "close",
        // nginx would otherwise buffer the events.
        "x-accel-buffering": "no",
      });
      response.setTimeout(0);
      hub.follow({
        response,
        lastEventId: typeof lastEventId === "string" ? lastEventId : undefined,
        mayStay: async () =>
          session === undefined || (session.expiresAt > Date.now() && !(await ended.has(session))),
      });
    },
  );
}

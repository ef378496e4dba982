/** What is no part of the fleet's data: probes, metrics, the stream of events, and the logins of browsers. */
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { sameSecret } from "../../../core/access.ts";
import { UeeError } from "../../../core/errors.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import type { EventHub } from "../../live/eventHub.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { EndedSessions } from "../../security/endedSessions.ts";
import type { Guard, Who } from "../../security/guard.ts";
import { cameByHttps } from "../../security/origins.ts";
import type { SessionTokens } from "../../security/sessionTokens.ts";
import { bodyErrors, commonErrors } from "../route.ts";
import {
  entrySchema,
  errorSchema,
  eventStreamSchema,
  healthSchema,
  loginBodySchema,
  noContentSchema,
  type Session,
  sessionSchema,
} from "../schemas.ts";

/** A probe is answered within this, ms. */
const PATIENCE_MS = 2_000;

export function healthRoutes(app: App, { engine, limits }: RouteSurroundings, stopping: () => boolean): void {
  const config = { access: "public", rateLimit: false } as const;
  const tags = ["health"];
  app.get(
    "/livez",
    {
      config,
      schema: {
        ...{ operationId: "livez", tags, summary: "The process alone: it answers", security: [] },
        response: { 200: healthSchema },
      },
    },
    async () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      config,
      handlerTimeout: Math.min(PATIENCE_MS, limits.answerMs),
      schema: {
        ...{ operationId: "readyz", tags, security: [] },
        summary: "Redis answers and holds a store that this version knows",
        response: { 200: healthSchema, 503: errorSchema },
      },
    },
    async () => {
      if (stopping()) throw new UeeError("SYS_SHUTDOWN");
      await engine().ready();
      return { status: "ok" as const };
    },
  );
}

const metricsText = z.string().meta({ id: "MetricsText", description: "Prometheus' text format" });

export function metricsRoutes(app: App, metrics: Metrics): void {
  app.addHook("onResponse", async (request, reply) => {
    metrics.answered({
      method: request.method,
      route: request.routeOptions.url ?? "unknown",
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1_000,
    });
  });
  app.get(
    "/metrics",
    {
      schema: {
        ...{ operationId: "getMetrics", tags: ["health"] },
        summary: "Metrics for Prometheus; also while Redis is unreachable",
        response: { 200: { content: { "text/plain": { schema: metricsText } } }, ...commonErrors },
      },
    },
    async (_request, reply) => {
      void reply.type(metrics.contentType);
      return await metrics.text();
    },
  );
}

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
        ...{ operationId: "followEvents", tags: ["fleet"] },
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

export interface SessionSurroundings {
  guard: Guard;
  token: string | undefined;
  tokens: SessionTokens | undefined;
  ended: EndedSessions;
  /** Logins per minute from one address. */
  logins: number;
}

const cookieOptions = (request: FastifyRequest): CookieSerializeOptions => ({
  path: "/",
  httpOnly: true,
  sameSite: "strict",
  secure: cameByHttps(request),
});

export function sessionRoutes(app: App, { guard, token, tokens, ended, logins }: SessionSurroundings): void {
  const tags = ["session"];
  const answer = (who: Who): Session => ({
    actor: who.actor,
    csrfToken: guard.csrfTokenOf(who),
    tokenRequired: guard.tokenRequired,
    expiresAt: who.session === undefined ? null : new Date(who.session.expiresAt).toISOString(),
  });

  app.get(
    "/api/session",
    {
      schema: {
        ...{ operationId: "whoAmI", tags, summary: "Identity of the caller; 401: log in" },
        response: { 200: sessionSchema, ...commonErrors },
      },
    },
    async ({ who }) => answer(who!),
  );
  app.get(
    "/api/entry",
    {
      config: { access: "public" },
      schema: {
        ...{ operationId: "lookIn", tags, security: [] },
        summary:
          "Whether the page must show its login; a 401 would appear as an error in the browser's console",
        response: { 200: entrySchema },
      },
    },
    async (request) => ({
      tokenRequired: guard.tokenRequired,
      loggedIn: !guard.tokenRequired || (await guard.loginOf(request)) !== undefined,
    }),
  );
  app.post(
    "/api/session",
    {
      config: { access: "public", rateLimit: { max: logins, timeWindow: 60_000 } },
      schema: {
        ...{ operationId: "logIn", tags, security: [] },
        summary: "Log in with the API token and a name, which is stored with every action",
        body: loginBodySchema,
        response: { 200: sessionSchema, 409: errorSchema, ...bodyErrors },
      },
    },
    async (request, reply) => {
      if (token === undefined || tokens === undefined) {
        throw new UeeError("API_NOT_FOUND", "This dashboard has no token: there is nothing to log in to.");
      }
      if (!sameSecret(request.body.token, token)) {
        await guard.countRefusal(request);
        const line = { event: "login_refused", ip: request.ip };
        request.log.warn(line, "a login with a wrong token was refused");
        throw new UeeError("API_LOGIN_REFUSED");
      }
      const { cookie, session } = tokens.issue(request.body.name);
      request.log.info({ event: "login", actor: session.name }, `${session.name} logged in`);
      void reply.setCookie(tokens.cookieName, cookie, {
        ...cookieOptions(request),
        expires: new Date(session.expiresAt),
      });
      return reply.send(answer({ actor: session.name, by: "login", session }));
    },
  );
  app.delete(
    "/api/session",
    {
      schema: {
        ...{ operationId: "logOut", tags, summary: "End the login, on every dashboard of the fleet" },
        response: { 204: noContentSchema, ...commonErrors },
      },
    },
    async (request, reply) => {
      const { session } = request.who!;
      if (tokens !== undefined) void reply.clearCookie(tokens.cookieName, cookieOptions(request));
      if (session !== undefined) await ended.end(session);
      void reply.code(204);
      return null;
    },
  );
}

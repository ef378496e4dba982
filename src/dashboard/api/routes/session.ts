/** The identity of the caller; login and logout of browsers. */
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyRequest } from "fastify";
import { UeeError } from "../../../core/errors.ts";
import type { App } from "../../app.ts";
import type { EndedSessions } from "../../security/endedSessions.ts";
import type { Guard, Who } from "../../security/guard.ts";
import { cameByHttps } from "../../security/origins.ts";
import { type SessionTokens, sameSecret } from "../../security/sessionTokens.ts";
import {
  entrySchema,
  errorSchema,
  loginBodySchema,
  noContentSchema,
  type Session,
  sessionSchema,
} from "../schemas.ts";
import { bodyErrors, commonErrors } from "./shared.ts";

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
        operationId: "whoAmI",
        tags: ["session"],
        summary: "Identity of the caller; 401: log in",
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
        operationId: "lookIn",
        tags: ["session"],
        summary:
          "Whether the page must show its login; a 401 would appear as an error in the browser's console",
        security: [],
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
        operationId: "logIn",
        tags: ["session"],
        summary: "Log in with the API token and a name, which is stored with every action",
        security: [],
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
        request.log.warn(
          { event: "login_refused", ip: request.ip },
          "a login with a wrong token was refused",
        );
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
        operationId: "logOut",
        tags: ["session"],
        summary: "End the login, on every dashboard of the fleet",
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

/**
 * Authentication and protection of routes. Every route needs the token or a login unless it says `access: "public"`.
 * Checked in this order: the host name (open dashboards), the site of origin, the credentials, and for writes from
 * browsers the CSRF token.
 */
import { randomBytes } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { sameSecret } from "../../core/access.ts";
import { UeeError } from "../../core/errors.ts";
import type { App } from "../app.ts";
import type { EndedSessions } from "./endedSessions.ts";
import { isFromBrowser, refuseCrossSite, refuseForeignHost } from "./origins.ts";
import type { LoginSession, SessionTokens } from "./sessionTokens.ts";

/** The identity of the caller, and how it was established. */
export interface Who {
  /** Stored with every action. */
  readonly actor: string;
  /** open: no credentials are required. */
  readonly by: "token" | "login" | "open";
  readonly session: LoginSession | undefined;
}

declare module "fastify" {
  interface FastifyContextConfig {
    access?: "public";
  }
  interface FastifyRequest {
    /** Undefined on public routes. */
    who: Who | undefined;
  }
}

export interface GuardOptions {
  /** Undefined: an open dashboard. */
  token: string | undefined;
  tokens: SessionTokens | undefined;
  ended: EndedSessions;
  /** Refusals per minute from one address. */
  refusals: number;
}

export interface Guard {
  readonly tokenRequired: boolean;
  csrfTokenOf(who: Who): string;
  /** The login of a cookie, if it is still valid. */
  loginOf(request: FastifyRequest): Promise<LoginSession | undefined>;
  /** Counts a refusal against the caller's address. @throws UeeError API_RATE_LIMITED when there were too many */
  countRefusal(request: FastifyRequest): Promise<void>;
}

const actorPattern = /^[\p{L}\p{N}][\p{L}\p{N} ._@+:/-]{0,99}$/u;
const unsafeMethods = new Set(["POST", "PUT", "PATCH", "DELETE"]);

export function installGuard(app: App, options: GuardOptions): Guard {
  const { token, tokens, ended } = options;
  const openCsrfToken = randomBytes(24).toString("base64url");
  const refusals = app.createRateLimit({ max: options.refusals, timeWindow: 60_000 });

  const checkRefusals = async (request: FastifyRequest, increment: boolean): Promise<void> => {
    const found = await refusals(request, { increment });
    if (!found.isAllowed && found.isExceeded) {
      throw new UeeError("API_RATE_LIMITED", "Too many refused requests from your address.", {
        retryAfterMs: found.ttl,
      });
    }
  };

  const guard: Guard = {
    tokenRequired: token !== undefined,
    csrfTokenOf: ({ session }) =>
      session === undefined || tokens === undefined ? openCsrfToken : tokens.csrfToken(session.id),
    async loginOf(request) {
      const cookie = tokens === undefined ? undefined : request.cookies[tokens.cookieName];
      const session = cookie === undefined ? undefined : tokens?.read(cookie);
      return session === undefined || (await ended.has(session)) ? undefined : session;
    },
    countRefusal: (request) => checkRefusals(request, true),
  };

  async function identify(request: FastifyRequest): Promise<Who | undefined> {
    if (token === undefined) return { actor: namedActor(request) ?? "local", by: "open", session: undefined };
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const given = /^Bearer +(.+)$/i.exec(authorization)?.[1];
      if (given === undefined || !sameSecret(given.trim(), token)) return undefined;
      return { actor: namedActor(request) ?? "api", by: "token", session: undefined };
    }
    const session = await guard.loginOf(request);
    // A login has a name: it cannot act under another one.
    return session && { actor: session.name, by: "login", session };
  }

  app.decorateRequest("who", undefined);
  app.addHook("onRequest", async (request, reply) => {
    if (token === undefined) refuseForeignHost(request);
    refuseCrossSite(request);
    if (request.routeOptions.config?.access === "public") return;
    if (token !== undefined) await checkRefusals(request, false);
    const who = await identify(request);
    if (who === undefined) {
      if (isPageForPeople(request)) return reply.redirect(`/?next=${encodeURIComponent(request.url)}`);
      await checkRefusals(request, true);
      throw new UeeError("API_UNAUTHORIZED");
    }
    request.who = who;
    if (!unsafeMethods.has(request.method) || who.by === "token") return;
    // On an open dashboard scripts need no CSRF token; a browser identifies itself, and does.
    if (who.by === "open" && !isFromBrowser(request)) return;
    const given = request.headers["x-csrf-token"];
    if (typeof given !== "string" || !sameSecret(given, guard.csrfTokenOf(who)))
      throw new UeeError("API_CSRF");
  });
  return guard;
}

/** A browser that opens a page is redirected to the login. */
const isPageForPeople = ({ method, headers, url, is404 }: FastifyRequest): boolean =>
  method === "GET" &&
  !is404 &&
  headers.authorization === undefined &&
  /\btext\/html\b/.test(headers.accept ?? "") &&
  !/^\/(api\/|events|metrics|openapi)/.test(url);

/** @throws UeeError API_BAD_INPUT for a name that cannot be stored */
function namedActor(request: FastifyRequest): string | undefined {
  const given = request.headers["x-actor"];
  if (given === undefined) return undefined;
  const name = typeof given === "string" ? given.trim() : "";
  if (actorPattern.test(name)) return name;
  throw new UeeError(
    "API_BAD_INPUT",
    "X-Actor must be 1 to 100 letters, digits, spaces or . _ @ + : / -, beginning with a letter or digit.",
    { data: { fields: [{ field: "headers.x-actor", problem: "is not a name" }] } },
  );
}

/** Builds the HTTP side; `listen.ts` listens. */
import { fastifyCookie } from "@fastify/cookie";
import { fastifyHelmet } from "@fastify/helmet";
import { fastifyRateLimit } from "@fastify/rate-limit";
import { type FastifyRequest, fastify, LogController } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { UeeError } from "../core/errors.ts";
import { installOpenApi, openApiRoute } from "./api/openapi.ts";
import { addRoutes } from "./api/route.ts";
import { deadLetterRoutes } from "./api/routes/deadLetters.ts";
import { fleetRoutes } from "./api/routes/fleet.ts";
import { pageRoutes } from "./api/routes/page.ts";
import { providerRoutes } from "./api/routes/providers.ts";
import { recordRoutes } from "./api/routes/records.ts";
import { eventRoutes, healthRoutes, metricsRoutes, sessionRoutes } from "./api/routes/service.ts";
import { type App, type DashboardOptions, usualLimits } from "./app.ts";
import { installBoard } from "./board/board.ts";
import { sendError, toApiError } from "./errors.ts";
import { EventHub } from "./live/eventHub.ts";
import { FleetView } from "./live/fleetView.ts";
import { Metrics } from "./metrics/metrics.ts";
import { installDeadline, installRequestLog } from "./requests.ts";
import { EndedSessions } from "./security/endedSessions.ts";
import { installGuard } from "./security/guard.ts";
import { SessionTokens } from "./security/sessionTokens.ts";

/** No inline script, no inline style, nothing from other hosts. */
const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
    imgSrc: ["'self'", "data:"],
  },
};

export async function buildDashboard(options: DashboardOptions): Promise<App> {
  const limits = { ...usualLimits, ...options.limits };
  const { token, logger } = options;
  let stopping = false;
  const app: App = fastify({
    loggerInstance: logger.child({ component: "http" }),
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: (_address, hop) => hop < (options.trustProxy ?? 0),
    bodyLimit: limits.bodyBytes,
    handlerTimeout: limits.answerMs,
    requestTimeout: 30_000,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_000 },
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, request, reply) => void sendError(toApiError(error), request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  acceptEmptyBodies(app);

  app.setErrorHandler((error, request, reply) => sendError(toApiError(error), request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendError(
      new UeeError("API_NOT_FOUND", `There is no ${request.method} ${pathOf(request)} here.`),
      request,
      reply,
    ),
  );

  installRequestLog(app);
  installDeadline(app, limits.answerMs);
  await app.register(fastifyHelmet, { contentSecurityPolicy, strictTransportSecurity: false });
  await app.register(fastifyCookie);
  await app.register(fastifyRateLimit, {
    max: limits.requests,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { ttl }) =>
      new UeeError("API_RATE_LIMITED", undefined, { retryAfterMs: ttl }),
  });
  const tokens = token === undefined ? undefined : new SessionTokens(token);
  const ended = new EndedSessions(options.backend);
  const guard = installGuard(app, { token, tokens, ended, refusals: limits.refusals });
  await installOpenApi(app, { version: options.version, tokenRequired: token !== undefined });

  const engine = () => options.backend().engine;
  const view = new FleetView(engine);
  app.addHook("onSend", async ({ method }) => {
    if (method !== "GET" && method !== "HEAD") view.forget();
  });
  const hub = new EventHub({ view, limits, logger });
  const surroundings = { engine, view, limits, webhook: () => options.backend().webhook };
  app.addHook("preClose", async () => {
    stopping = true;
    hub.close();
  });
  healthRoutes(app, surroundings, () => stopping);
  sessionRoutes(app, { guard, token, tokens, ended, logins: limits.logins });
  addRoutes(app, [...fleetRoutes, ...providerRoutes, ...deadLetterRoutes, ...recordRoutes], surroundings);
  metricsRoutes(
    app,
    new Metrics({
      engine,
      view,
      freshMs: limits.pollMs,
      version: options.version,
      followers: () => hub.followers,
      logger,
    }),
  );
  eventRoutes(app, { hub, ended, followers: limits.followers });
  await installBoard(app, { backend: options.backend, secrets: options.secrets ?? [] });
  await pageRoutes(app, options.pageFiles);
  openApiRoute(app);
  return app;
}

const pathOf = ({ url }: FastifyRequest): string => {
  const [path = ""] = url.split("?");
  return path.length > 200 ? `${path.slice(0, 200)}…` : path;
};

/** Actions accept a body and require none: an absent or empty one counts as `{}`. */
function acceptEmptyBodies(app: App): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, undefined);
    else void parse(request, body as string, done);
  });
  app.addHook("preValidation", async (request) => {
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined) request.body = {};
  });
}

/** Requests that are not valid HTTP. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: import("node:net").Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const [status, code] = {
    ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "API_BAD_INPUT"],
    HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "API_TOO_LARGE"],
  }[error.code ?? ""] ?? ["400 Bad Request", "API_BAD_INPUT"];
  const remedy = "Send a well-formed HTTP/1.1 request.";
  const body = JSON.stringify({ code, message: "The request cannot be read.", remedy });
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

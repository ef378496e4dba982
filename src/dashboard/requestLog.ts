/** One log line per request: actor, route, result. Never a header, a query or a body: these may contain secrets. */
import type { App } from "./app.ts";

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
        ...(request.who === undefined ? {} : { actor: request.who.actor }),
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

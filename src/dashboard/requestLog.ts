/** One line a request: who, what route, how it ended. Never a header, a query or a body: secrets stand there. */
import type { App } from "./app.ts";

export function installRequestLog(app: App): void {
  app.addHook("onResponse", async (request, reply) => {
    const { statusCode } = reply;
    const changes = request.method !== "GET" && request.method !== "HEAD";
    // Probes, scrapes and pages ask all the time; what changes something, or fails, is worth a line.
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

/** Probes. */
import { UeeError } from "../../../core/errors.ts";
import type { App, RouteSurroundings } from "../../app.ts";
import { errorSchema, healthSchema } from "../schemas.ts";

/** A probe is answered within this, ms. */
const PATIENCE_MS = 2_000;

export function healthRoutes(app: App, { engine, limits }: RouteSurroundings, stopping: () => boolean): void {
  app.get(
    "/livez",
    {
      config: { access: "public", rateLimit: false },
      schema: {
        operationId: "livez",
        tags: ["health"],
        summary: "The process alone: it answers",
        security: [],
        response: { 200: healthSchema },
      },
    },
    async () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      config: { access: "public", rateLimit: false },
      handlerTimeout: Math.min(PATIENCE_MS, limits.answerMs),
      schema: {
        operationId: "readyz",
        tags: ["health"],
        summary: "Redis answers and holds a store that this version knows",
        security: [],
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

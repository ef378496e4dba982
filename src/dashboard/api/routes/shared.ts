/** What routes have in common. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { UeeError } from "../../../core/errors.ts";
import type { PersonRequest } from "../../../engine/api.ts";
import { errorSchema } from "../schemas.ts";

/** Errors that any route may return; 503: Redis is unreachable. */
export const commonErrors = {
  400: errorSchema,
  401: errorSchema,
  403: errorSchema,
  429: errorSchema,
  503: errorSchema,
} as const;

/** For routes with a body. */
export const bodyErrors = { ...commonErrors, 413: errorSchema, 415: errorSchema } as const;

export const providerParams = z.object({
  id: z.string().max(64).describe("Name of the provider"),
});

export const optionalProvider = z.string().max(64).optional().describe("Only this provider");

/** Actor and reason, stored with the action. */
export function person(
  request: FastifyRequest,
  reason: string | undefined,
): Required<Pick<PersonRequest, "actor">> & PersonRequest {
  if (request.who === undefined) throw new UeeError("API_UNAUTHORIZED");
  return { actor: request.who.actor, ...(reason ? { reason } : {}) };
}

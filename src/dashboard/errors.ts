/** Every error as `{code, message, remedy}` with the matching HTTP status. */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { ErrorCode } from "../core/errors.ts";
import { UeeError } from "../core/errors.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { ApiError } from "./api/schemas.ts";

const statusByCode: Readonly<Partial<Record<ErrorCode, number>>> = {
  API_BAD_INPUT: 400,
  PERM_INVALID: 400,
  STOR_CURSOR_INVALID: 400,
  SYS_USAGE: 400,
  VAL_DATE: 400,
  VAL_URN: 400,
  API_LOGIN_REFUSED: 401,
  API_UNAUTHORIZED: 401,
  API_CROSS_SITE: 403,
  API_CSRF: 403,
  API_HOST_REFUSED: 403,
  API_NOT_FOUND: 404,
  PROV_RUN_NOT_FOUND: 404,
  PROV_UNKNOWN: 404,
  STOR_NOT_FOUND: 404,
  API_READ_ONLY: 405,
  STOR_CURSOR_TRIMMED: 410,
  STOR_REMOVED: 410,
  API_TOO_LARGE: 413,
  API_MEDIA_TYPE: 415,
  API_RATE_LIMITED: 429,
  // Deferred by class, but the caller must resolve it.
  PROV_PAUSED: 409,
  PROV_RUN_OPEN: 409,
  SYS_REDIS_AUTH: 503,
  SYS_WEBHOOK_AWAY: 502,
  SYS_WEBHOOK_REFUSED: 502,
  SYS_SCHEMA_NEWER: 503,
};

export function statusOf(error: UeeError): number {
  const own = statusByCode[error.code];
  if (own !== undefined) return own;
  if (error.class === "refused") return 409;
  return error.class === "deferred" || error.class === "overload" || error.class === "throttle" ? 503 : 500;
}

export function bodyOf(error: UeeError): ApiError {
  const { allowed, state, runId, fields, removed } = error.data as Partial<ApiError>;
  return {
    code: error.code,
    // The text of an unexpected error may contain anything; only the log has it.
    message: error.code === "SYS_INTERNAL" ? "An unexpected error occurred." : error.detail,
    remedy: error.remedy,
    ...{ state, allowed, runId, fields, removed },
    retryAfterMs: error.retryAfterMs,
  };
}

/** Converts any thrown value, including Fastify's own errors. */
export function toApiError(error: unknown): UeeError {
  if (error instanceof UeeError) return error;
  const foreign = error as Partial<FastifyError>;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const fields = error.validation.map(({ instancePath, message }) => ({
      field: [error.validationContext, ...instancePath.split("/").filter(Boolean)].join("."),
      problem: message ?? "is not valid",
    }));
    const said = fields.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
    return new UeeError("API_BAD_INPUT", `The input is not valid: ${said}.`, { data: { fields } });
  }
  switch (foreign.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new UeeError("API_TOO_LARGE");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new UeeError("API_MEDIA_TYPE");
    case "FST_ERR_HANDLER_TIMEOUT":
      return new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.", { retryAfterMs: 1_000 });
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new UeeError("API_TOO_LARGE", "A part of the address is too long.");
  }
  const status = foreign.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new UeeError("API_BAD_INPUT", foreign.message ?? "The request cannot be read.", { cause: error });
  }
  return mapRedisError(error);
}

export function sendError(error: UeeError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = statusOf(error);
  if (status >= 500) {
    const level = status === 503 ? "debug" : "error";
    request.log[level]({ event: "http_error", code: error.code, err: error.cause ?? error }, error.detail);
  }
  if (status === 401) void reply.header("www-authenticate", 'Bearer realm="uee"');
  const wait = error.retryAfterMs ?? (status === 503 ? 1_000 : undefined);
  if (wait !== undefined) void reply.header("retry-after", Math.max(1, Math.ceil(wait / 1_000)));
  return reply
    .code(status)
    .header("cache-control", "no-store")
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send(bodyOf(error));
}

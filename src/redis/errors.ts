import { isNativeError } from "node:util/types";
import { toUeeError, UeeError } from "../core/errors.ts";

/** Replies that mean: the credentials or the rights of our user are wrong. */
const refusedReply =
  /^(NOAUTH|WRONGPASS|NOPERM)\b|^ERR (invalid (username-)?password|AUTH |Client sent AUTH)|ACL failure in script|The user executing the script can't|-NOPERM /;

/** Replies that mean: the server is there and well enough to say that it will not do it now. */
const troubleReply =
  /^(OOM|MISCONF|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|BUSY)\b|^ERR max number of clients/;

/** Redis 6 wraps what a command in a script says. */
const troubleInScript = /\b(OOM command not allowed|MISCONF |READONLY You can't write|NOREPLICAS )/;

const unreachableCode =
  /^(ECONN|EPIPE|ENOENT|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|EACCES|EADDRNOTAVAIL|ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_STREAM|ERR_SOCKET)/;

const unreachableText =
  /^(Connection is closed|Command timed out|Stream isn't writeable|connect ETIMEDOUT|Socket timeout|All sentinels are unreachable|Command aborted due to connection close|Reached the max retries)/;

const certificateCode = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/;

/**
 * What a call to Redis threw, as a UeeError:
 *  - SYS_REDIS_UNREACHABLE  no connection, or it broke while the command was under way (which may or may not have run)
 *  - SYS_REDIS_AUTH         credentials or ACL
 *  - SYS_REDIS_TROUBLE      out of memory, cannot persist, read-only, loading, busy
 * Everything else as `toUeeError` has it. Only for errors of Redis calls: it judges by socket codes too.
 */
export function mapRedisError(error: unknown): UeeError {
  if (error instanceof UeeError) return error;
  // Not instanceof: errors of sockets may be made in another realm than ours.
  if (!isNativeError(error)) return toUeeError(error);
  const inner = firstOfTransaction(error);
  if (inner) return mapRedisError(inner);
  const { message } = error;
  const code = codeOf(error);
  const cause = withoutCommand(error);
  if (refusedReply.test(message)) {
    return new UeeError("SYS_REDIS_AUTH", `Redis says: ${message}`, { cause });
  }
  if (troubleReply.test(message) || troubleInScript.test(message)) {
    return new UeeError("SYS_REDIS_TROUBLE", `Redis says: ${message}`, { cause });
  }
  if (certificateCode.test(code)) {
    const said = `Redis' certificate was refused (${message}); a private CA goes into REDIS_TLS_CA.`;
    return new UeeError("SYS_REDIS_UNREACHABLE", said, { cause });
  }
  if (
    unreachableCode.test(code) ||
    unreachableText.test(message) ||
    error.name === "MaxRetriesPerRequestError"
  ) {
    return new UeeError("SYS_REDIS_UNREACHABLE", `Redis cannot be reached (${message || code}).`, { cause });
  }
  return toUeeError(cause);
}

/** Redis is away or unwell, and work goes on by itself later: nobody's attempt is spent. */
export const isRedisTrouble = (error: unknown): boolean => {
  const { code } = mapRedisError(error);
  return code === "SYS_REDIS_UNREACHABLE" || code === "SYS_REDIS_TROUBLE";
};

const codeOf = (error: Error): string => {
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return code;
  // Several addresses were tried (localhost): each has its own reason.
  const { errors } = error as { errors?: unknown };
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return isNativeError(first) ? codeOf(first) : "";
};

function firstOfTransaction(error: Error): Error | undefined {
  const { previousErrors } = error as { previousErrors?: unknown };
  const first: unknown = Array.isArray(previousErrors) ? previousErrors[0] : undefined;
  return isNativeError(first) ? first : undefined;
}

/** ioredis hangs the command on its errors, and AUTH's arguments are the password: that must never reach a log. */
function withoutCommand(error: Error): Error {
  const clean = new Error(error.message);
  clean.name = error.name;
  clean.stack = error.stack;
  return clean;
}

import { isNativeError } from "node:util/types";
import { fromForeign, toUeeError, UeeError } from "../core/errors.ts";
import type { ForeignTable } from "../core/foreignErrors.ts";
import { brokenCertificate } from "../core/systemErrors.ts";

/** Errors of ioredis: the server's replies (Redis 6 wraps those of a command in a script), and socket errors. */
export const redisErrors: ForeignTable = {
  library: "Redis and ioredis",
  patterns: [
    {
      when: {
        message:
          /^(NOAUTH|WRONGPASS|NOPERM|DENIED)\b|^ERR (invalid (username-)?password|AUTH |Client sent AUTH)|ACL failure in script|The user executing the script can't|-NOPERM /,
      },
      as: "SYS_REDIS_AUTH",
      says: "Redis says: {}.",
    },
    {
      // The server answers, and reports that it cannot execute the command now.
      when: {
        message:
          /^(OOM|MISCONF|READONLY|LOADING|MASTERDOWN|NOREPLICAS|BUSY|NOSCRIPT|UNBLOCKED)\b|^ERR max number of clients/,
      },
      as: "SYS_REDIS_TROUBLE",
      says: "Redis says: {}.",
    },
    {
      when: { message: /\b(OOM command not allowed|MISCONF |READONLY You can't write|NOREPLICAS )/ },
      as: "SYS_REDIS_TROUBLE",
      says: "Redis says: {}.",
    },
    {
      // The slot of the key moves to another master or has none: the connection finds the new one.
      when: { message: /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/ },
      as: "SYS_REDIS_TROUBLE",
      says: "The cluster says: {}.",
    },
    {
      when: { message: /^CROSSSLOT\b|^ERR This instance has cluster support disabled/ },
      as: "SYS_REDIS_UNFIT",
      says: "Redis says: {}.",
    },
    { when: { message: /^ERR unknown command/ }, as: "SYS_REDIS_UNFIT", says: "Redis says: {}." },
    { when: { message: /\bWRONGTYPE Operation/ }, as: "STOR_CORRUPT", says: "Redis says: {}." },
    {
      when: { code: brokenCertificate },
      as: "SYS_REDIS_UNREACHABLE",
      says: "Redis' certificate was refused ({}); a private CA goes into REDIS_TLS_CA.",
    },
    {
      when: {
        code: /^(ECONN|EPIPE|EPROTO|ENOENT|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|EACCES|EADDRNOTAVAIL|ERR_TLS|ERR_SSL|ERR_STREAM|ERR_SOCKET)/,
      },
      as: "SYS_REDIS_UNREACHABLE",
      says: "Redis cannot be reached ({}).",
    },
    {
      when: {
        message:
          /^(Connection is closed|Command timed out|Stream isn't writeable|connect ETIMEDOUT|Socket timeout|All sentinels are unreachable|Command aborted due to connection close)/,
      },
      as: "SYS_REDIS_UNREACHABLE",
      says: "Redis cannot be reached ({}).",
    },
    // The original text names an option of the library.
    {
      when: { name: /^MaxRetriesPerRequestError$/ },
      as: "SYS_REDIS_UNREACHABLE",
      says: "Redis cannot be reached: the connection is gone, and a new one is not up yet.",
    },
    {
      when: { message: /^Reached the max retries/ },
      as: "SYS_REDIS_UNREACHABLE",
      says: "Redis cannot be reached: the connection is gone, and a new one is not up yet.",
    },
  ],
};

/**
 * Converts an error of a Redis call to a UeeError:
 * - SYS_REDIS_UNREACHABLE: no connection, or it broke during the command (which may or may not have run)
 * - SYS_REDIS_AUTH: credentials or ACL
 * - SYS_REDIS_TROUBLE: out of memory, cannot persist, read-only, loading, busy, a slot of a cluster that moves
 * - SYS_REDIS_UNFIT: a cluster behind an address of one server, or a server without a required command
 * - STOR_CORRUPT: a key of an unexpected type
 * Everything else as `toUeeError` converts it. Only for errors of Redis calls: it also reads socket codes.
 */
export function mapRedisError(error: unknown): UeeError {
  if (error instanceof UeeError) return error;
  // Not instanceof: socket errors may be created in another realm.
  if (!isNativeError(error)) return toUeeError(error);
  const inner = firstOfTransaction(error);
  if (inner) return mapRedisError(inner);
  return fromForeign(error, redisErrors) ?? toUeeError(error);
}

/** Redis is unreachable or failing, and work continues automatically later: no attempt is spent. */
export const isRedisTrouble = (error: unknown): boolean => {
  const { code } = mapRedisError(error);
  return code === "SYS_REDIS_UNREACHABLE" || code === "SYS_REDIS_TROUBLE";
};

function firstOfTransaction(error: Error): Error | undefined {
  const { previousErrors } = error as { previousErrors?: unknown };
  const first: unknown = Array.isArray(previousErrors) ? previousErrors[0] : undefined;
  // When the connection is lost, ioredis rejects the transaction and its commands with the same error.
  return isNativeError(first) && first !== error ? first : undefined;
}

import { parseRedisUrl } from "../redis/url.ts";
import type { Config } from "./types.ts";

/** Shorter values are words that stand in ordinary text as well. */
const LEAST_LENGTH = 4;

/** The values that must never show. */
export function secretsOf({ apiToken, nvdApiKey, redisUrl }: Config): string[] {
  const redis = redisUrl === undefined ? undefined : parseRedisUrl(redisUrl);
  return [apiToken, nvdApiKey, redis?.password, redis?.sentinelPassword].filter(
    (value): value is string => typeof value === "string" && value.length >= LEAST_LENGTH,
  );
}

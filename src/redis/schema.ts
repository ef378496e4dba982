import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import { mapRedisError } from "./errors.ts";
import { type Keys, SCHEMA_VERSION } from "./keys.ts";
import { loadScript } from "./scripts.ts";

const script = loadScript(new URL("./lua/schema-1.lua", import.meta.url));

/** The oldest schema version whose records can be read and migrated (records/migration). */
const OLDEST_SCHEMA = 1;

/**
 * Marks an empty store with our schema version and refuses a newer one (SYS_SCHEMA_NEWER). Atomic, so an old and a
 * new process that start together cannot both succeed.
 * @param options.write false for readers: an empty store stays empty
 */
export async function ensureSchema(
  redis: Redis,
  keys: Pick<Keys, "fleet" | "prefix">,
  options: { write?: boolean } = {},
): Promise<void> {
  const reply = await script
    .run(redis, [keys.fleet], [SCHEMA_VERSION, OLDEST_SCHEMA, options.write === false ? 0 : 1])
    .catch((error: unknown) => {
      throw mapRedisError(error);
    });
  const stored = Number(reply);
  if (stored >= OLDEST_SCHEMA && stored <= SCHEMA_VERSION) return;
  const found = `The store under prefix '${keys.prefix}' has schema version ${String(reply)}; this UEE knows ${SCHEMA_VERSION}.`;
  throw new UeeError(stored > SCHEMA_VERSION ? "SYS_SCHEMA_NEWER" : "STOR_CORRUPT", found);
}

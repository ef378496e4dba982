/**
 * The agreement of all processes that share one upstream. Its limit holds only if all of them count with the same
 * rate, under the same key, at the same address: a process whose settings differ from those of a live one does not
 * start.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { toUeeError, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { fingerprint } from "../core/secrets.ts";
import { isRedisTrouble, mapRedisError } from "../redis/errors.ts";
import type { UpstreamKeys } from "../redis/keys.ts";
import { loadScript } from "../redis/scripts.ts";
import type { Rate } from "./rateLimit.ts";

const registerScript = loadScript(new URL("./lua/register-1.lua", import.meta.url));

export interface UpstreamSettings {
  rate: Rate;
  /** `fingerprint(key)`; the key itself stays in the client. */
  apiKeyFingerprint: string;
  baseUrl: string;
}

/** A process that has not refreshed its entry for this time is considered dead. */
const lifetimeMs = 15_000;
const refreshMs = 5_000;

export function makeMembership(options: {
  name: string;
  settings: UpstreamSettings;
  redis: Redis;
  keys: UpstreamKeys;
  logger: Logger;
}) {
  const { name, redis, keys, logger } = options;
  const id = randomUUID();
  const settings = describeSettings(options.settings);
  const text = JSON.stringify(settings);
  let enteredAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;

  const register = async (): Promise<void> => {
    const askedAt = performance.now();
    const other = await registerScript
      .run(redis, [keys.pods], [id, text, lifetimeMs * 1000])
      .catch((error: unknown) => Promise.reject(mapRedisError(error)));
    if (typeof other === "string") {
      enteredAt = undefined;
      stopRefreshing();
      throw disagreement(name, settings, other);
    }
    enteredAt = askedAt;
    timer ??= setInterval(() => {
      register().catch((error: unknown) => {
        const { code, detail } = toUeeError(error);
        // Trouble of Redis is reported once, elsewhere.
        logger[isRedisTrouble(error) ? "debug" : "warn"](
          { event: "fleet_entry", upstream: name, code },
          `could not renew the entry among the upstream's processes: ${detail}`,
        );
      });
    }, refreshMs).unref();
  };

  const stopRefreshing = (): void => {
    clearInterval(timer);
    timer = undefined;
  };

  return {
    /** Registers this process. @throws UeeError SYS_FLEET_DISAGREES when a live one has other settings */
    register,
    /** Registers again if the entry may have expired, e.g. because this process slept. */
    ensure: async (): Promise<void> => {
      if (enteredAt === undefined || performance.now() - enteredAt > lifetimeMs - refreshMs / 2)
        await register();
    },
    unregister: async (): Promise<void> => {
      stopRefreshing();
      enteredAt = undefined;
      await redis.zrem(keys.pods, `${id} ${text}`);
    },
  };
}

interface Described {
  rate: string;
  key: string;
  url: string;
}

/** Addresses may contain credentials, so only their fingerprint is shared. */
const describeSettings = ({ rate, apiKeyFingerprint, baseUrl }: UpstreamSettings): Described => ({
  rate: rate === "unlimited" ? rate : `${rate.max}/${rate.windowMs}ms`,
  key: apiKeyFingerprint,
  url: fingerprint(baseUrl),
});

function disagreement(name: string, own: Described, entry: string): UeeError {
  const other = JSON.parse(entry.slice(entry.indexOf(" ") + 1)) as Described;
  const differing: string[] = [];
  if (own.rate !== other.rate) differing.push(`rate (here ${own.rate}, there ${other.rate})`);
  if (own.key !== other.key) {
    const show = (key: string) => (key === "none" ? "none" : "set");
    const both = own.key !== "none" && other.key !== "none";
    differing.push(both ? "API key" : `API key (here ${show(own.key)}, there ${show(other.key)})`);
  }
  if (own.url !== other.url) differing.push("address");
  return new UeeError(
    "SYS_FLEET_DISAGREES",
    `A live process of this fleet uses another ${differing.join(" and ")} for ${name}.`,
    { data: { upstream: name, differing: differing.map((text) => text.replace(/ \(.*/, "")) } },
  );
}

/** Typed wrappers of the pool's scripts (lua/*.lua). Times are µs by Redis TIME; every error is a UeeError. */
import type { Redis } from "ioredis";
import { mapRedisError } from "../redis/errors.ts";
import type { PermitKeys } from "../redis/keys.ts";
import { makeRestartGuard } from "../redis/restartGuard.ts";
import { loadScripts, type Script, type ScriptArg } from "../redis/scripts.ts";

const scripts = loadScripts(import.meta.url, [
  "acquire-1",
  "renew-1",
  "release-1",
  "govern-1",
  "show-1",
  "audit-1",
]);

export type WaitReason = "full" | "turn" | "restart";
export type GovernOperation = "seed" | "resize" | "revoke" | "restore";

/** A lease by its name. `fence`: 0 or absent for whichever it has; `provider` saves the script one read. */
interface LeaseName {
  lease: string;
  fence?: number;
  provider?: string;
}

type Numbers = [number, number, number, number, number, number, number];

/** A reply has at most seven values. */
const numbers = (reply: unknown): Numbers => (reply as unknown[]).map(Number) as Numbers;

export type PoolScripts = ReturnType<typeof makePoolScripts>;

export function makePoolScripts(options: {
  redis: Redis;
  keys: PermitKeys;
  logLength: number;
  size: number;
  leaseMs: number;
  graceMs: number;
  waiterMs: number;
  cleanStopKey: string;
}) {
  const { redis, keys, logLength, size } = options;
  const restarts = makeRestartGuard(redis, options.cleanStopKey);
  const [leaseUs, graceUs, waiterUs] = [
    options.leaseMs * 1000,
    options.graceMs * 1000,
    options.waiterMs * 1000,
  ];
  const settings = [leaseUs, logLength, size, graceUs, waiterUs].join(" ");

  const run = (script: Script, provider: string, ...args: ScriptArg[]): Promise<unknown> =>
    script.run(redis, [keys.pool], [settings, provider, ...args]).catch((error: unknown) => {
      throw mapRedisError(error);
    });

  return {
    /** `instead` is returned first, in the same step. */
    async acquire(
      request: { lease: string; provider: string; waiter: string; owner: string },
      instead?: { lease: string; fence: number },
    ) {
      const { lease, provider, waiter, owner } = request;
      const { reply, granted } = await restarts.ask((told) =>
        run(scripts.acquire, provider, lease, waiter, owner, told, instead?.lease ?? "", instead?.fence ?? 0),
      );
      if (typeof reply === "number") {
        granted(reply);
        const whole = { fence: reply, lifeUs: leaseUs, mayKeep: true, graceUs: 0, nowUs: reply };
        return { granted: true as const, ...whole };
      }
      const texts = reply as unknown[];
      if (texts[0] === 0) {
        const [, ahead, askAgainUs, hint, , nowUs] = numbers(reply);
        return { granted: false as const, ahead, askAgainUs, hint, reason: texts[4] as WaitReason, nowUs };
      }
      const [, fence, lifeUs, keep, graceLeftUs, nowUs] = numbers(reply);
      granted(nowUs, String(texts[6]));
      return { granted: true as const, fence, lifeUs, mayKeep: keep === 1, graceUs: graceLeftUs, nowUs };
    },
    async renew({ lease, fence = 0, provider = "" }: LeaseName) {
      const { reply } = await restarts.ask((told) => run(scripts.renew, provider, lease, fence, told));
      const [held, keep, lifeUs, graceLeftUs, nowUs] = numbers(reply);
      if (held === 0) return { lost: true as const, nowUs: keep };
      return { lost: false as const, mayKeep: keep === 1, lifeUs, graceUs: graceLeftUs, nowUs };
    },
    /** Also gives up the place of `waiter`. */
    async release({ lease, fence = 0, provider = "", waiter = "" }: LeaseName & { waiter?: string }) {
      const [given, left, nowUs] = numbers(await run(scripts.release, provider, lease, fence, waiter));
      return { given: given === 1, left: left === 1, nowUs };
    },
    async govern(operation: GovernOperation, value: number, actor: string, reason: string) {
      const reply = await run(scripts.govern, "", operation, value, actor, reason);
      const [changed, configured, effective, allocated, askedBack, effectiveBefore, nowUs] = numbers(reply);
      const pool = { configured, effective, allocated, askedBack, effectiveBefore, nowUs };
      return { changed: changed === 1, ...pool };
    },
    /** Decoded by report.ts. */
    show: async (holders: number) => (await run(scripts.show, "", holders)) as unknown[],
    audit: async (repair: boolean, actor: string) =>
      (await run(scripts.audit, "", repair ? 1 : 0, actor)) as unknown[],
    /** Redis has granted something to this process before. */
    hasGrants: () => restarts.hasGrants,
    /** Stops listening to the connection. */
    close: () => restarts.close(),
  };
}

/** The pool's scripts (lua/*.lua), typed. Times are µs by Redis TIME; every error is a UeeError. */
import type { Redis } from "ioredis";
import { mapRedisError } from "../redis/errors.ts";
import type { PermitKeys } from "../redis/keys.ts";
import { loadScript, type Script, type ScriptArg } from "../redis/scripts.ts";

const lua = (name: string) => loadScript(new URL(`./lua/${name}-8.lua`, import.meta.url));
const scripts = {
  acquire: lua("acquire"),
  renew: lua("renew"),
  release: lua("release"),
  leave: lua("leave"),
  govern: lua("govern"),
  show: lua("show"),
  audit: lua("audit"),
};

export type WaitReason = "full" | "capped" | "turn" | "restart";

export interface AcquireArgs {
  lease: string;
  provider: string;
  want: number;
  min: number;
  waiter: string;
  owner: string;
}

export type AcquireReply =
  | { granted: number; fence: number; lifeUs: number; keep: number; graceUs: number; nowUs: number }
  | { granted: 0; ahead: number; askAgainUs: number; hint: number; reason: WaitReason; nowUs: number };

export type RenewReply =
  | { lost: true; nowUs: number }
  | { lost: false; permits: number; keep: number; lifeUs: number; graceUs: number; nowUs: number };

export type GovernOperation = "seed" | "resize" | "revoke" | "restore" | "cap" | "weight";

export interface GovernReply {
  changed: boolean;
  configured: number;
  effective: number;
  allocated: number;
  askedBack: number;
  effectiveBefore: number;
  nowUs: number;
}

export interface PoolScripts {
  acquire(args: AcquireArgs): Promise<AcquireReply>;
  /** `fence` 0 = whichever; `keep` -1 = all. */
  renew(lease: string, fence: number, keep: number): Promise<RenewReply>;
  release(lease: string, fence: number): Promise<{ given: number; nowUs: number }>;
  leave(provider: string, waiter: string): Promise<{ left: boolean; nowUs: number }>;
  govern(
    operation: GovernOperation,
    value: number | null,
    provider: string,
    actor: string,
    reason: string,
  ): Promise<GovernReply>;
  /** Raw; see report.ts. */
  show(holders: number): Promise<unknown[]>;
  audit(repair: boolean, actor: string): Promise<unknown[]>;
}

export interface PoolScriptOptions {
  redis: Redis;
  keys: PermitKeys;
  logLength: number;
  size: number;
  leaseMs: number;
  graceMs: number;
  waiterMs: number;
  cleanStopKey: string;
}

const numbers = (reply: unknown[]): number[] => reply.map(Number);

export function makePoolScripts(options: PoolScriptOptions): PoolScripts {
  const { redis, keys, cleanStopKey } = options;
  const all = [
    ...[keys.pool, keys.leases, keys.owners, keys.waiters],
    ...[keys.waiterPlaces, keys.waiterDeadlines, keys.log, keys.wake],
  ];
  const life = options.leaseMs * 1000;
  const grace = options.graceMs * 1000;
  const stay = options.waiterMs * 1000;
  /** Of this process; tells a Redis that lost everything that it lived before. */
  let lastGrant = { at: 0, runId: "" };

  const run = async (script: Script, args: ScriptArg[]): Promise<unknown> => {
    try {
      return await script.run(redis, all, [options.logLength, options.size, ...args]);
    } catch (error) {
      throw mapRedisError(error);
    }
  };

  /** The last three arguments tell of restarts; the clean stop is looked up only when the script asks for it. */
  const runKnowingRestarts = async (script: Script, args: ScriptArg[]): Promise<unknown[]> => {
    const own = [lastGrant.at, lastGrant.runId];
    const reply = (await run(script, [...args, -1, ...own])) as unknown[];
    if (reply[0] !== -1) return reply;
    const stored = await redis.get(cleanStopKey).catch((error: unknown) => {
      throw mapRedisError(error);
    });
    const cleanStop = Number(stored ?? 0);
    return (await run(script, [...args, Number.isFinite(cleanStop) ? cleanStop : 0, ...own])) as unknown[];
  };

  return {
    async acquire({ lease, provider, want, min, waiter, owner }) {
      const args = [lease, provider, want, min, waiter, owner, life, grace, stay];
      const reply = await runKnowingRestarts(scripts.acquire, args);
      const [outcome, first, second, third, fourth, fifth, sixth] = numbers(reply);
      if (outcome === 0) {
        const reason = String(reply[4]) as WaitReason;
        return { granted: 0, ahead: first!, askAgainUs: second!, hint: third!, reason, nowUs: fifth! };
      }
      lastGrant = { at: sixth!, runId: String(reply[7]) };
      return {
        granted: first!,
        fence: second!,
        lifeUs: third!,
        keep: fourth!,
        graceUs: fifth!,
        nowUs: sixth!,
      };
    },
    async renew(lease, fence, keep) {
      const reply = await runKnowingRestarts(scripts.renew, [lease, fence, keep, life, grace]);
      const [outcome, permits, target, lifeUs, graceUs, nowUs] = numbers(reply);
      if (outcome === 0) return { lost: true, nowUs: permits! };
      return {
        lost: false,
        permits: permits!,
        keep: target!,
        lifeUs: lifeUs!,
        graceUs: graceUs!,
        nowUs: nowUs!,
      };
    },
    async release(lease, fence) {
      const [given, nowUs] = numbers((await run(scripts.release, [lease, fence])) as unknown[]);
      return { given: given!, nowUs: nowUs! };
    },
    async leave(provider, waiter) {
      const [left, nowUs] = numbers((await run(scripts.leave, [provider, waiter])) as unknown[]);
      return { left: left === 1, nowUs: nowUs! };
    },
    async govern(operation, value, provider, actor, reason) {
      const reply = await run(scripts.govern, [operation, value ?? "", provider, actor, reason]);
      const [changed, configured, effective, allocated, askedBack, before, nowUs] = numbers(
        reply as unknown[],
      );
      return {
        changed: changed === 1,
        configured: configured!,
        effective: effective!,
        allocated: allocated!,
        askedBack: askedBack!,
        effectiveBefore: before!,
        nowUs: nowUs!,
      };
    },
    show: async (holders) => (await run(scripts.show, [holders])) as unknown[],
    audit: async (repair, actor) =>
      (await run(scripts.audit, [repair ? 1 : 0, life, stay, actor])) as unknown[],
  };
}

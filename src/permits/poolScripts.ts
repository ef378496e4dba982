/** Typed wrappers of the pool's scripts (lua/*.lua). Times are µs by Redis TIME; every error is a UeeError. */
import type { Redis } from "ioredis";
import { mapRedisError } from "../redis/errors.ts";
import type { PermitKeys } from "../redis/keys.ts";
import { makeRestartGuard } from "../redis/restartGuard.ts";
import { loadScript, type Script, type ScriptArg } from "../redis/scripts.ts";

const lua = (name: string) => loadScript(new URL(`./lua/${name}-1.lua`, import.meta.url));
const scripts = {
  acquire: lua("acquire"),
  renew: lua("renew"),
  release: lua("release"),
  leave: lua("leave"),
  govern: lua("govern"),
  show: lua("show"),
  audit: lua("audit"),
};

export type WaitReason = "full" | "turn" | "restart";

export interface AcquireArgs {
  lease: string;
  provider: string;
  waiter: string;
  owner: string;
}

export type AcquireReply =
  | { granted: true; fence: number; lifeUs: number; mayKeep: boolean; graceUs: number; nowUs: number }
  | {
      granted: false;
      ahead: number;
      askAgainUs: number;
      hint: number;
      reason: WaitReason;
      nowUs: number;
    };

export type RenewReply =
  | { lost: true; nowUs: number }
  | { lost: false; mayKeep: boolean; lifeUs: number; graceUs: number; nowUs: number };

export type GovernOperation = "seed" | "resize" | "revoke" | "restore";

export interface GovernReply {
  changed: boolean;
  configured: number;
  effective: number;
  allocated: number;
  askedBack: number;
  effectiveBefore: number;
  nowUs: number;
}

export interface LeaseName {
  lease: string;
  /** Default: whichever it has. */
  fence?: number;
  /** Saves the script one read. */
  provider?: string;
}

export interface PoolScripts {
  /** `instead` is returned first, in the same step. */
  acquire(args: AcquireArgs, instead?: { lease: string; fence: number }): Promise<AcquireReply>;
  renew(lease: LeaseName): Promise<RenewReply>;
  release(lease: LeaseName): Promise<{ given: boolean; nowUs: number }>;
  leave(provider: string, waiter: string): Promise<{ left: boolean; nowUs: number }>;
  govern(operation: GovernOperation, value: number, actor: string, reason: string): Promise<GovernReply>;
  /** Raw; see report.ts. */
  show(holders: number): Promise<unknown[]>;
  audit(repair: boolean, actor: string): Promise<unknown[]>;
  /** Stops listening to the connection. */
  close(): void;
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

const numbers = (reply: unknown): number[] => (reply as unknown[]).map(Number);

export function makePoolScripts(options: PoolScriptOptions): PoolScripts {
  const { redis, keys } = options;
  const restarts = makeRestartGuard(redis, options.cleanStopKey);
  const settings = [
    options.leaseMs * 1000,
    options.logLength,
    options.size,
    options.graceMs * 1000,
    options.waiterMs * 1000,
  ].join(" ");

  const run = (script: Script, provider: string, ...args: ScriptArg[]): Promise<unknown> =>
    script.run(redis, [keys.pool], [settings, provider, ...args]).catch((error: unknown) => {
      throw mapRedisError(error);
    });

  return {
    async acquire({ lease, provider, waiter, owner }, instead) {
      const { reply, granted } = await restarts.ask((told) =>
        run(scripts.acquire, provider, lease, waiter, owner, told, instead?.lease ?? "", instead?.fence ?? 0),
      );
      if (typeof reply === "number") {
        granted(reply);
        const lifeUs = options.leaseMs * 1000;
        return { granted: true, fence: reply, lifeUs, mayKeep: true, graceUs: 0, nowUs: reply };
      }
      const list = reply as unknown[];
      const [outcome, first, second, third, fourth, fifth] = numbers(list) as [number, ...number[]];
      if (outcome === 0) {
        const reason = String(list[4]) as WaitReason;
        return {
          granted: false,
          ahead: first!,
          askAgainUs: second!,
          hint: third!,
          reason,
          nowUs: fifth!,
        };
      }
      granted(fifth!, String(list[6]));
      return {
        granted: true,
        fence: first!,
        lifeUs: second!,
        mayKeep: third === 1,
        graceUs: fourth!,
        nowUs: fifth!,
      };
    },
    async renew({ lease, fence = 0, provider = "" }) {
      const { reply } = await restarts.ask((told) => run(scripts.renew, provider, lease, fence, told));
      const [outcome, keep, lifeUs, graceUs, nowUs] = numbers(reply) as [number, ...number[]];
      if (outcome === 0) return { lost: true, nowUs: keep! };
      return { lost: false, mayKeep: keep === 1, lifeUs: lifeUs!, graceUs: graceUs!, nowUs: nowUs! };
    },
    async release({ lease, fence = 0, provider = "" }) {
      const [given, nowUs] = numbers(await run(scripts.release, provider, lease, fence));
      return { given: given === 1, nowUs: nowUs! };
    },
    async leave(provider, waiter) {
      const [left, nowUs] = numbers(await run(scripts.leave, provider, waiter));
      return { left: left === 1, nowUs: nowUs! };
    },
    async govern(operation, value, actor, reason) {
      const reply = await run(scripts.govern, "", operation, value, actor, reason);
      const [changed, configured, effective, allocated, askedBack, before, nowUs] = numbers(reply);
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
    show: async (holders) => (await run(scripts.show, "", holders)) as unknown[],
    audit: async (repair, actor) => (await run(scripts.audit, "", repair ? 1 : 0, actor)) as unknown[],
    close: () => restarts.close(),
  };
}

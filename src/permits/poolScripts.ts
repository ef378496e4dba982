/** The pool's scripts (lua/*.lua), typed. Times are µs by Redis TIME; every error is a UeeError. */
import type { Redis } from "ioredis";
import { mapRedisError } from "../redis/errors.ts";
import type { PermitKeys } from "../redis/keys.ts";
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
  /** `instead` is given back in the same step, first. */
  acquire(args: AcquireArgs, instead?: { lease: string; fence: number }): Promise<AcquireReply>;
  /** `fence` 0 = whichever; `keep` -1 = all. */
  renew(lease: string, fence: number, keep: number): Promise<RenewReply>;
  release(lease: string, fence: number, provider?: string): Promise<{ given: number; nowUs: number }>;
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
  /** Told how long a call of what holders and waiters use took, ms. */
  onControl?: (ms: number) => void;
}

const numbers = (reply: unknown[]): number[] => reply.map(Number);

export function makePoolScripts(options: PoolScriptOptions): PoolScripts {
  const { redis, keys, cleanStopKey } = options;
  const lifeUs = options.leaseMs * 1000;
  const ways = [lifeUs, options.logLength, options.size, options.graceMs * 1000, options.waiterMs * 1000];
  const waysOfThePool = ways.join(" ");
  /** Of this process: when and by which run of Redis; tells one that lost everything that it lived before. */
  let lastGrantAt = 0;
  let lastRunId = "";
  /**
   * The run of Redis that this very connection told us; where the store says the same, no look at INFO is needed. A
   * command that is under way when the connection breaks fails and is not sent again.
   */
  let believed = "";
  let connection = 0;
  const onClose = (): void => {
    believed = "";
    connection++;
  };
  redis.on("close", onClose);

  const keyList = [keys.pool];
  const run = (script: Script, args: ScriptArg[]): Promise<unknown> =>
    script.run(redis, keyList, args).catch((error: unknown) => {
      throw mapRedisError(error);
    });

  const control = (script: Script, args: ScriptArg[]): Promise<unknown> => {
    if (!options.onControl) return run(script, args);
    const { onControl } = options;
    const from = performance.now();
    return run(script, args).finally(() => onControl(performance.now() - from));
  };

  /** What the script must know of restarts; `cleanStop` -1: look it up only when the script asks for it. */
  const inFull = (cleanStop: number): string => `${cleanStop} ${lastGrantAt} ${lastRunId}`;

  const mustTellAll = (reply: unknown): boolean => Array.isArray(reply) && reply[0] === -1;

  /** Calls again with all that the script must know of restarts. `at`: the place of that argument. */
  const runTellingAll = async (script: Script, args: ScriptArg[], at: number): Promise<unknown> => {
    const stored = await redis.get(cleanStopKey).catch((error: unknown) => {
      throw mapRedisError(error);
    });
    const cleanStop = Number(stored ?? 0);
    args[at] = inFull(Number.isFinite(cleanStop) ? cleanStop : 0);
    return run(script, args);
  };

  return {
    async acquire({ lease, provider, want, min, waiter, owner }, instead) {
      const over = connection;
      const origin = believed || inFull(-1);
      const old = instead ? [instead.lease, instead.fence] : ["", 0];
      const args = [waysOfThePool, lease, provider, want, origin, owner, ...old];
      if (min !== 1 || waiter !== lease) args.push(min, waiter);
      let reply = await control(scripts.acquire, args);
      if (mustTellAll(reply)) reply = await runTellingAll(scripts.acquire, args, 4);
      if (typeof reply === "number") {
        lastGrantAt = reply;
        return { granted: want, fence: reply, lifeUs, keep: want, graceUs: 0, nowUs: reply };
      }
      const list = reply as unknown[];
      const [outcome, first, second, third, fourth, fifth, sixth] = numbers(list);
      if (outcome === 0) {
        const reason = String(list[4]) as WaitReason;
        return { granted: 0, ahead: first!, askAgainUs: second!, hint: third!, reason, nowUs: fifth! };
      }
      lastGrantAt = sixth!;
      lastRunId = String(list[7]);
      if (over === connection) believed = lastRunId;
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
      const args = [waysOfThePool, lease, fence, keep, believed || inFull(-1)];
      let reply = await control(scripts.renew, args);
      if (mustTellAll(reply)) reply = await runTellingAll(scripts.renew, args, 4);
      const [outcome, permits, target, leftUs, graceUs, nowUs] = numbers(reply as unknown[]);
      if (outcome === 0) return { lost: true, nowUs: permits! };
      return {
        lost: false,
        permits: permits!,
        keep: target!,
        lifeUs: leftUs!,
        graceUs: graceUs!,
        nowUs: nowUs!,
      };
    },
    async release(lease, fence, provider = "") {
      const reply = await control(scripts.release, [waysOfThePool, lease, fence, provider]);
      if (typeof reply === "number") return { given: 1, nowUs: reply };
      const [given, nowUs] = reply as [number, number];
      return { given, nowUs };
    },
    async leave(provider, waiter) {
      const [left, nowUs] = (await run(scripts.leave, [waysOfThePool, provider, waiter])) as [number, number];
      return { left: left === 1, nowUs };
    },
    async govern(operation, value, provider, actor, reason) {
      const args = [waysOfThePool, operation, value ?? "", provider, actor, reason];
      const reply = (await run(scripts.govern, args)) as unknown[];
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
    show: async (holders) => (await run(scripts.show, [waysOfThePool, holders])) as unknown[],
    audit: async (repair, actor) =>
      (await run(scripts.audit, [waysOfThePool, repair ? 1 : 0, actor])) as unknown[],
    close: () => {
      redis.off("close", onClose);
    },
  };
}

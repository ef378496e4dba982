/** What an engine is opened with, and what the composition root has built of it, as the pieces of its surface need it. */
import type { Redis } from "ioredis";
import type { Breaker } from "../breakers/breaker.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ScheduleSetting } from "../core/schedule.ts";
import type { MacroMachineStore, ProviderMachineStore } from "../machines/machineStore.ts";
import type { PermitPool } from "../permits/permitPool.ts";
import type { AnyProvider, RunMode } from "../providers/contract.ts";
import type { RunsQueue } from "../queues/runsQueue.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { Upstream, UpstreamTimeouts } from "../upstream/client.ts";
import type { ProviderContext, StepObserver } from "../workers/context.ts";

export interface ProviderSettings {
  /** Overrides the provider's default address. */
  url?: string;
  /** Base of the upstream's feeds, or `off`. Default: the provider's own, unless `url` names another upstream. */
  feedsUrl?: string;
  apiKey?: string;
  /** Overrides the provider's default rate. */
  rate?: { max: number; windowMs: number } | "unlimited";
  /** Greatest number of records to ask for at once; the provider's own by default. */
  pageSize?: number;
  /** When its runs open by themselves; the provider's own by default. */
  schedule?: Partial<Record<RunMode, ScheduleSetting | undefined>>;
}

export interface EngineSettings {
  prefix: string;
  providers: Record<string, ProviderSettings>;
  /** Batches of one provider in one process at once, the prefetched one included. */
  concurrency: number;
  /** Bytes fetched and not yet committed, in one process. */
  inflightBytes: number;
  /** Multiplies throttle waits, retry and back-off delays. */
  waitScale: number;
  /** Change entries kept per provider. */
  changesLimit: number;
  timeouts: Partial<UpstreamTimeouts>;
  /** Size of a permit pool that has none stored; a person's resize persists. Default 10. */
  permits?: number;
  /** Share of the records that may fail for good before a provider is paused. Default 0.1. */
  errorRate?: number;
  /** Records processed before that share counts. Default 200. */
  errorMinimum?: number;
  /** Dead letters, and raw bytes of bad records, at which a provider is paused. Default 10,000 and 256 MB. */
  deadLetterLimit?: number;
  deadLetterBytes?: number;
  /** Records that one worker may hold fetched and not yet committed, for the optimizer. Default 10,000. */
  bufferRecords?: number;
  /** False: workers that keep the schedules keep none. Default true. */
  schedules?: boolean;
}

export interface OpenEngineOptions {
  settings: EngineSettings;
  redis: RedisConnections;
  logger: Logger;
  /** Default: the registry. */
  providers?: readonly AnyProvider[];
  onStep?: StepObserver;
}

export interface EngineParts {
  settings: EngineSettings;
  keys: Keys;
  /** Fail-fast connection for the keys of the fleet. */
  redis: Redis;
  connections: RedisConnections;
  /** Shut while Redis is in trouble. */
  gate: TroubleGate;
  logger: Logger;
  contexts: ReadonlyMap<string, ProviderContext>;
  machines: Map<string, ProviderMachineStore>;
  macro: MacroMachineStore;
  pool: PermitPool;
  upstreams: readonly Upstream[];
  /** By upstream: one a provider, and one more for a provider's feeds. */
  breakers: ReadonlyMap<string, Breaker>;
  runsQueue: RunsQueue;
  schedulePlan: SchedulePlan;
  registry: WorkerRegistry;
}

/** @throws UeeError PROV_UNKNOWN */
export function contextOf({ contexts }: Pick<EngineParts, "contexts">, name: string): ProviderContext {
  const context = contexts.get(name);
  if (context) return context;
  throw new UeeError(
    "PROV_UNKNOWN",
    `There is no provider '${name}'; there are ${[...contexts.keys()].join(", ")}.`,
  );
}

export const machineOf = (
  parts: Pick<EngineParts, "contexts" | "machines">,
  name: string,
): ProviderMachineStore => parts.machines.get(contextOf(parts, name).provider.name)!;

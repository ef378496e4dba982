/** What the composition root has built, as the pieces of the engine's surface need it. */
import type { Redis } from "ioredis";
import type { Breaker } from "../breakers/breaker.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { MacroMachineStore, ProviderMachineStore } from "../machines/machineStore.ts";
import type { PermitPool } from "../permits/permitPool.ts";
import type { RunsQueue } from "../queues/runsQueue.ts";
import type { SchedulePlan } from "../queues/schedulePlan.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { Upstream } from "../upstream/client.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { EngineSettings } from "./settings.ts";

export interface EngineParts {
  settings: EngineSettings;
  keys: Keys;
  /** Fail-fast connection for scripts. */
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

/**
 * Migrates a store of an older schema version while it is read. Batches wait meanwhile, those of workers of the older
 * version too: the provider's machine says WAITING_BACKOFF with this reason, which every version respects. Records are
 * moved when no worker of the older version lives, since it would look for records where they are no longer.
 *
 * Killed at any point the next worker goes on. Several workers may migrate at once (records/migration).
 *
 * A store whose records have no index of links yet gets one the same way, except that batches do not wait: they keep the
 * index for what they write (records/links.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { WorkerRegistry } from "../recovery/workerRegistry.ts";
import { SCHEMA_VERSION } from "../redis/keys.ts";
import type { ProviderContext } from "./context.ts";

/** How long a wait lasts unless it is renewed, and how often it is renewed. */
const HOLD_MS = 10_000;
const HOLD_AGAIN_MS = 3_000;

export interface StoreMigrationOptions {
  contexts: readonly ProviderContext[];
  registry: WorkerRegistry;
  logger: Logger;
}

export class StoreMigration {
  readonly #o: StoreMigrationOptions;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: StoreMigrationOptions) {
    this.#o = options;
  }

  /** Starts unless it runs already. Rejects as Redis does. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** The step under way is finished; another worker goes on. */
  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    for (const context of this.#o.contexts) {
      if (this.#stopped) return;
      if ((await context.records.recordsToMigrate()) > 0) await this.#migrate(context);
    }
    for (const context of this.#o.contexts) await this.#buildLinks(context);
  }

  async #buildLinks({ provider, records }: ProviderContext): Promise<void> {
    if (this.#stopped || (await records.linksComplete())) return;
    // Workers of an older version write records without links: the next round looks again.
    if ((await this.#olderWorkers()).length > 0) return;
    let walked = 0;
    for await (walked of records.buildLinks()) if (this.#stopped) return;
    if (walked === 0) return;
    const line = { event: "links_indexed", provider: provider.name, records: walked };
    this.#o.logger.info(line, `${provider.name}: the links of ${walked} records are indexed`);
  }

  async #migrate(context: ProviderContext): Promise<void> {
    const { logger } = this.#o;
    const provider = context.provider.name;
    for (let older = await this.#olderWorkers(); older.length > 0; older = await this.#olderWorkers()) {
      const said = `workers of an older version are running and must be stopped first: ${older.join(", ")}`;
      await context.governor.backOff(HOLD_MS, `STOR_MIGRATING: ${said}`);
      await sleep(HOLD_AGAIN_MS);
      if (this.#stopped) return;
    }
    let heldAt = Number.NEGATIVE_INFINITY;
    let moved = 0;
    logger.info({ event: "store_migration", provider }, `${provider}: records move to the new layout`);
    const damaged = (id: string, error: UeeError): void => {
      const line = { event: "record_dropped", provider, id, code: error.code };
      logger.error(line, `${id} could not be read and was dropped; the next run stores it again`);
    };
    for await (const step of context.records.migrate(damaged)) {
      moved = step.moved;
      if (this.#stopped) return;
      if (performance.now() - heldAt < HOLD_AGAIN_MS) continue;
      heldAt = performance.now();
      const said = `the store moves to a new layout, ${step.left} records are left`;
      await context.governor.backOff(HOLD_MS, `STOR_MIGRATING: ${said}`);
    }
    await context.governor.waitEnded("STOR_MIGRATING", "the store has its new layout");
    logger.info({ event: "store_migrated", provider, moved }, `${provider}: ${moved} records moved`);
  }

  async #olderWorkers(): Promise<string[]> {
    return (await this.#o.registry.live())
      .filter(({ schema }) => (schema ?? 1) < SCHEMA_VERSION)
      .map(({ process }) => `${process.host}:${process.pid}`);
  }
}

/** @throws UeeError STOR_MIGRATING while records of an older layout are left */
export async function refuseWhileMigrating(context: ProviderContext): Promise<void> {
  const left = await context.records.recordsToMigrate();
  if (left > 0) throw new UeeError("STOR_MIGRATING", `${left} records are left.`, { retryAfterMs: 1_000 });
}

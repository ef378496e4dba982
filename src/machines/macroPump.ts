/**
 * Applies the providers' transitions to the macro machine exactly once and in order, whichever pod dies in between.
 *
 * A provider's transition is appended to its outbox in the step that makes it. A pump reads the entries after the
 * cursor that the macro machine keeps for this provider, and applies them on condition that the cursor has not moved;
 * effects and cursor change in one step. Any number of pods may pump at once: the loser of a race reads again.
 *
 * After a crash
 * - before applying, nothing has changed; the next pump reads the same entries;
 * - after applying, entries before the cursor remain in the outbox; the next pump trims them unread.
 * - of a server of a cluster, the outbox or the cursor may have lost its last second alone: the newest entry is always
 *   kept, and what it says is applied.
 * The outbox has no other bound: entries that were not applied are never dropped. It grows only while no pump runs.
 */
import type { Logger } from "../core/logger.ts";
import type { RedisConnections } from "../redis/connect.ts";
import type { Keys } from "../redis/keys.ts";
import { fieldsOf } from "../redis/newestFirst.ts";
import { Rounds } from "../redis/rounds.ts";
import { loadScripts } from "../redis/scripts.ts";
import { luaTables } from "./luaTables.ts";
import type { MacroMachineStore } from "./machineStore.ts";
import { encodeRequest, HISTORY_KEPT } from "./request.ts";

const scripts = loadScripts(import.meta.url, ["applyProviderEvents-2"], luaTables);

/** Events applied in one step. */
const BATCH = 64;
const INTERVAL_MS = 1_000;

export type PumpStep = "read" | "apply" | "trim";

export interface MacroPumpOptions {
  redis: Pick<RedisConnections, "of">;
  keys: Keys;
  macro: MacroMachineStore;
  providers: readonly string[];
  logger: Logger;
  /** Id of the worker that applies. */
  actor: string;
  intervalMs?: number;
  /** Macro transitions kept in the history. */
  kept?: number;
  /** Called synchronously after every step, for observers. */
  onStep?: (step: PumpStep, provider: string) => void;
}

export class MacroPump {
  readonly #options: MacroPumpOptions;
  readonly #request: string;
  readonly #rounds: Rounds;

  constructor(options: MacroPumpOptions) {
    this.#options = options;
    const actor = { kind: "engine", name: options.actor } as const;
    this.#request = encodeRequest([], { actor }, options.kept ?? HISTORY_KEPT);
    const { intervalMs: everyMs = INTERVAL_MS, logger } = options;
    // After a failed round the next one reads from the same cursor.
    this.#rounds = new Rounds({ everyMs, work: () => this.runOnce(), failed: "macro_pump_failed", logger });
  }

  start(): void {
    this.#rounds.start();
    this.#rounds.now();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Applies all entries of the outboxes. Returns the number of events that this pump applied. */
  async runOnce(): Promise<number> {
    let applied = 0;
    for (const provider of this.#options.providers) applied += await this.#drain(provider);
    return applied;
  }

  async #drain(provider: string): Promise<number> {
    const { redis, keys, macro, onStep } = this.#options;
    const { machineOutbox: outbox } = keys.provider(provider);
    const own = redis.of(outbox);
    for (let applied = 0; ; ) {
      const cursor = await this.#cursor(provider);
      const replies = await own
        .pipeline()
        .xrange(outbox, cursor === "" ? "-" : `(${cursor}`, "+", "COUNT", BATCH)
        .xrevrange(outbox, "+", "-", "COUNT", 1)
        .xlen(outbox)
        .exec();
      const [events, newest, length] = replies!.map(([error, reply]) => {
        if (error) throw error;
        return reply;
      }) as [RawEntry[], RawEntry[], number];
      onStep?.("read", provider);
      // The provider's server lost what it had said last (a failover in a cluster): the machine is as it said before.
      const said = newest.filter(([id]) => isBefore(id, cursor));
      const due = events.length > 0 ? events : said;
      if (due.length === 0) {
        // Entries that a pump applied and did not trim before it died. The entry at the cursor stays.
        if (length > 1 && cursor !== "") await own.xtrim(outbox, "MINID", cursor);
        return applied;
      }
      const reply = await scripts.applyProviderEvents.run(
        redis.of(keys.macroMachine),
        [keys.macroMachine, keys.macroTransitions],
        [provider, cursor, this.#request, ...due.flatMap(([id, flat]) => eventArguments(id, flat))],
      );
      onStep?.("apply", provider);
      if (macro.settle(reply).kind === "lost") continue;
      applied += due.length;
      await own.xtrim(outbox, "MINID", due.at(-1)![0]);
      onStep?.("trim", provider);
    }
  }

  async #cursor(provider: string): Promise<string> {
    const { redis, keys } = this.#options;
    return (await redis.of(keys.macroMachine).hget(keys.macroMachine, `cursor:${provider}`)) ?? "";
  }
}

type RawEntry = [id: string, fields: string[]];

/** Compares two ids of stream entries. */
function isBefore(id: string, other: string): boolean {
  const [ms = 0, seq = 0] = id.split("-").map(Number);
  const [otherMs = 0, otherSeq = 0] = other.split("-").map(Number);
  return ms < otherMs || (ms === otherMs && seq < otherSeq);
}

/** In the order of the script. */
function eventArguments(id: string, flat: string[]): string[] {
  const { version = "0", old_state = "", new_state = "", trigger = "", reason = "" } = fieldsOf(flat);
  return [id, version, old_state, new_state, trigger, reason];
}

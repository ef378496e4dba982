/** Persons and scripts: what they ask goes through the engine's own library, over a line of their own. */
import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "bullmq";
import { UeeError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Engine } from "../../../src/engine/api.ts";
import { type EngineSettings, openEngine } from "../../../src/engine.ts";
import type { RunMode } from "../../../src/providers/contract.ts";
import { connectRedis, type RedisConnections } from "../../../src/redis/connect.ts";
import type { HistoryWriter, PersonAct } from "../history.ts";

/** A client that gets no answer for so long gives up and does not know the outcome. */
const PATIENCE_MS = 6_000;

/** Answers that mean: it was understood, and it cannot be now. */
const refusals = new Set(["PROV_PAUSED", "PROV_RUN_OPEN", "PROV_ILLEGAL_TRANSITION", "PROV_RUN_NOT_FOUND"]);

export class People {
  readonly engine: Engine;
  readonly #redis: RedisConnections;
  readonly #queue: Queue;
  readonly #history: HistoryWriter;

  private constructor(engine: Engine, redis: RedisConnections, queue: Queue, history: HistoryWriter) {
    this.engine = engine;
    this.#redis = redis;
    this.#queue = queue;
    this.#history = history;
  }

  static async open(url: string, settings: EngineSettings, history: HistoryWriter): Promise<People> {
    const redis = await connectRedis({ url, name: "chaos:people", timeoutMs: 20_000 });
    const engine = await openEngine({ settings, redis, logger: silentLogger() });
    const queue = new Queue("runs", {
      prefix: `{${settings.prefix}}`,
      connection: redis.commands,
      skipWaitingForReady: true,
    });
    queue.on("error", () => undefined);
    return new People(engine, redis, queue, history);
  }

  /** Asks, and writes down what was answered. */
  async act(
    what: PersonAct["what"],
    provider: string | null,
    ask: (engine: Engine) => Promise<unknown>,
  ): Promise<PersonAct["outcome"]> {
    const askedAt = Date.now();
    let outcome: PersonAct["outcome"] = "acked";
    let detail = "";
    try {
      const answer = await Promise.race([
        ask(this.engine),
        sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
          throw new Error("no answer");
        }),
      ]);
      detail = JSON.stringify(answer ?? null).slice(0, 300);
    } catch (error) {
      outcome = error instanceof UeeError && refusals.has(error.code) ? "refused" : "unknown";
      detail = error instanceof Error ? error.message : String(error);
    }
    this.#history.now({ k: "person", a: { what, provider, outcome, askedAt, detail } });
    return outcome;
  }

  openRun(provider: string, mode: RunMode, via: "queue" | "library"): Promise<unknown> {
    return this.act("open", provider, async (engine) => {
      if (via === "library") return await engine.openRun({ provider, mode, actor: "chaos" });
      const job = await this.#queue.add("run", { provider, mode });
      return { job: job.id };
    });
  }

  async close(): Promise<void> {
    await this.#queue.close().catch(() => undefined);
    await this.engine.close().catch(() => undefined);
    await this.#redis.close();
  }
}

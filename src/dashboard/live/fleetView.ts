/**
 * One look at the fleet for everybody who asks in the same moment: pages, followers of the events and scrapes share it, so
 * what Redis is asked does not grow with those who watch.
 */
import { UeeError } from "../../core/errors.ts";
import type {
  BreakerView,
  Engine,
  EngineStatus,
  HistoryTransition,
  KernelMetrics,
  QuotaEvent,
  WorkerView,
} from "../../engine/api.ts";
import type { PoolView } from "../../permits/report.ts";
import type { Overview } from "../api/schemas.ts";
import { Paces, toOverview } from "./overview.ts";

export interface FleetLook {
  /** ms since the epoch, by this process's clock. */
  readonly atMs: number;
  readonly status: EngineStatus;
  readonly overview: Overview;
  readonly kernel: KernelMetrics;
  readonly permits: PoolView;
  readonly workers: readonly WorkerView[];
  readonly breakers: readonly BreakerView[];
  /** Newest first. */
  readonly transitions: HistoryTransition[];
  readonly quotaEvents: QuotaEvent[];
}

/** Newest entries of each history that one look takes; more in one second reach a follower by its next full look only. */
const RECENT = 100;
/** A Redis that hangs is away, ms. */
const PATIENCE_MS = 3_000;

export class FleetView {
  readonly #engine: () => Engine;
  readonly #paces = new Paces();
  #last: FleetLook | undefined;
  #looking: Promise<FleetLook> | undefined;
  /** Grows with every `forget`: a look that began before it is kept by nobody. */
  #era = 0;

  constructor(engine: () => Engine) {
    this.#engine = engine;
  }

  /**
   * At most `maxAgeMs` old when this was called, and begun after the last `forget`.
   * @throws UeeError SYS_REDIS_UNREACHABLE, also where Redis hangs
   */
  async look(maxAgeMs: number): Promise<FleetLook> {
    if (this.#last !== undefined && Date.now() - this.#last.atMs <= maxAgeMs) return this.#last;
    if (this.#looking === undefined) {
      const looking = withPatience(this.#take(this.#era)).finally(() => {
        if (this.#looking === looking) this.#looking = undefined;
      });
      this.#looking = looking;
    }
    return this.#looking;
  }

  /** Somebody changed something: who asks after that sees it. */
  forget(): void {
    this.#era += 1;
    this.#last = undefined;
    this.#looking = undefined;
  }

  async #take(era: number): Promise<FleetLook> {
    const engine = this.#engine();
    const atMs = Date.now();
    const [status, kernel, permits, workers, breakers, transitions, quotaEvents] = await Promise.all([
      engine.status(),
      engine.kernelMetrics(),
      engine.permits.show(),
      engine.workers(),
      engine.breakers(),
      engine.transitions({ limit: RECENT }),
      engine.quotaEvents({ limit: RECENT }),
    ]);
    const overview = toOverview(engine, status, permits, this.#paces);
    const look = { atMs, status, overview, kernel, permits, workers, breakers, transitions, quotaEvents };
    if (era === this.#era) this.#last = look;
    return look;
  }
}

async function withPatience<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.")),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

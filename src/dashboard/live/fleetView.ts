/**
 * One view of the fleet for all requests of the same moment: pages, followers of the events and scrapes share it, so
 * the load on Redis does not grow with their number.
 */
import { UeeError } from "../../core/errors.ts";
import { inTime } from "../../core/waiting.ts";
import type {
  BreakerView,
  Engine,
  EngineStatus,
  HistoryTransition,
  KernelMetrics,
  QuotaEvent,
  WorkerView,
} from "../../engine/api.ts";
import { Paces } from "../../engine/pace.ts";
import type { PoolView } from "../../permits/report.ts";
import type { Overview } from "../api/schemas.ts";
import { toOverview } from "./overview.ts";

/** The data of the tree, which is requested most. */
export interface TreeLook {
  /** ms since the epoch, by this process's clock. */
  readonly atMs: number;
  readonly status: EngineStatus;
  readonly overview: Overview;
  readonly permits: PoolView;
}

export interface FleetLook extends TreeLook {
  readonly kernel: KernelMetrics;
  readonly workers: readonly WorkerView[];
  readonly breakers: readonly BreakerView[];
}

/** Newest first. */
export interface RecentHistory {
  readonly transitions: HistoryTransition[];
  readonly quotaEvents: QuotaEvent[];
}

/**
 * Newest entries of each history that are read at once; if there are more in one second, a follower gets the rest
 * with its next full view.
 */
const RECENT = 100;
/** A Redis that hangs for this long counts as unreachable, ms. */
const PATIENCE_MS = 3_000;

export class FleetView {
  readonly #engine: () => Engine;
  readonly #paces = new Paces();
  readonly #tree = new SharedLook(() => this.#takeTree());
  readonly #fleet = new SharedLook(() => this.#takeFleet());

  constructor(engine: () => Engine) {
    this.#engine = engine;
  }

  /**
   * At most `maxAgeMs` old at the time of the call, or the one in progress; begun after the last `forget`.
   * @throws UeeError SYS_REDIS_UNREACHABLE, also when Redis hangs
   */
  tree(maxAgeMs: number): Promise<TreeLook> {
    return this.#tree.take(maxAgeMs);
  }

  /** The tree and the live data beside it, as fresh as `tree` is. */
  fleet(maxAgeMs: number): Promise<FleetLook> {
    return this.#fleet.take(maxAgeMs);
  }

  /** The current state, read now. */
  async history(): Promise<RecentHistory> {
    const engine = this.#engine();
    const [transitions, quotaEvents] = await withPatience(
      Promise.all([engine.transitions({ limit: RECENT }), engine.quotaEvents({ limit: RECENT })]),
    );
    return { transitions, quotaEvents };
  }

  /** An action changed something: later requests must see it. */
  forget(): void {
    this.#tree.forget();
    this.#fleet.forget();
  }

  async #takeTree(): Promise<TreeLook> {
    const engine = this.#engine();
    const atMs = Date.now();
    const [status, permits] = await Promise.all([engine.status(), engine.permits.show()]);
    return { atMs, status, permits, overview: toOverview(engine, status, permits, this.#paces) };
  }

  async #takeFleet(): Promise<FleetLook> {
    const engine = this.#engine();
    const [tree, kernel, breakers] = await Promise.all([
      this.#tree.take(0),
      engine.kernelMetrics(),
      engine.breakers(),
    ]);
    return { ...tree, kernel, workers: tree.status.workers, breakers };
  }
}

/** The last view of one kind, and the one in progress, shared by all requests. */
class SharedLook<Look extends { readonly atMs: number }> {
  readonly #take: () => Promise<Look>;
  #last: Look | undefined;
  #taking: Promise<Look> | undefined;

  constructor(take: () => Promise<Look>) {
    this.#take = take;
  }

  take(maxAgeMs: number): Promise<Look> {
    if (this.#last !== undefined && Date.now() - this.#last.atMs <= maxAgeMs)
      return Promise.resolve(this.#last);
    if (this.#taking !== undefined) return this.#taking;
    const taking = withPatience(this.#take());
    this.#taking = taking;
    const done = (look: Look | undefined): void => {
      // A view that began before the last `forget` is not kept.
      if (this.#taking !== taking) return;
      this.#taking = undefined;
      this.#last = look;
    };
    taking.then(done, () => done(undefined));
    return taking;
  }

  forget(): void {
    this.#last = undefined;
    this.#taking = undefined;
  }
}

const withPatience = <Result>(work: Promise<Result>): Promise<Result> =>
  inTime(PATIENCE_MS, work, () => {
    throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis does not answer in time.");
  });

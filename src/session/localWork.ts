/** Works in this process on runs that the caller waits for. */
import { inTime, orAborted } from "../core/waiting.ts";
import type { Engine, WorkerHandle } from "../engine/api.ts";
import { isRedisTrouble } from "../redis/errors.ts";

/** How often to look whether another worker is live, ms. */
const LOOK_MS = 5_000;
const STOP_DEADLINE_MS = 10_000;

interface Place {
  waiters: number;
  worker: Promise<WorkerHandle> | undefined;
}

export interface LocalWorkOptions {
  engine: Engine;
  /** Called before a worker starts; rejects when this Redis must not be written to. */
  assertFit?: () => Promise<void>;
  /** Nothing can be handed back then: leases and locks run out by themselves. */
  redisIsGone: () => boolean;
}

/** The queue `runs` and the schedules are left to services. */
export class LocalWork {
  readonly #o: LocalWorkOptions;
  readonly #places = new Map<string, Place>();
  /** Workers that this object started: they do not count as other workers. */
  readonly #mine = new Set<string>();

  constructor(options: LocalWorkOptions) {
    this.#o = options;
  }

  /** Does `wait` while a worker of this process takes batches of these providers, beside any others. */
  async help<Result>(
    providers: readonly string[],
    signal: AbortSignal,
    wait: () => Promise<Result>,
  ): Promise<Result> {
    const worker = await orAborted(signal, this.#start(providers));
    try {
      return await wait();
    } finally {
      await this.#stop(worker);
    }
  }

  /** Does `wait`; as long as it lasts and no live worker takes the provider's batches, this process does. */
  async during<Result>(provider: string, wait: () => Promise<Result>): Promise<Result> {
    const place = this.#places.get(provider) ?? { waiters: 0, worker: undefined };
    this.#places.set(provider, place);
    place.waiters++;
    let timer: NodeJS.Timeout | undefined;
    try {
      const failed = new Promise<never>((_resolve, reject) => {
        const look = () => this.#look(provider, place).catch(reject);
        timer = setInterval(look, LOOK_MS);
        void look();
      });
      return await Promise.race([wait(), failed]);
    } finally {
      clearInterval(timer);
      if (--place.waiters === 0) {
        this.#places.delete(provider);
        const worker = await place.worker?.catch(() => undefined);
        if (worker) await this.#stop(worker);
      }
    }
  }

  async #look(provider: string, place: Place): Promise<void> {
    try {
      if (place.worker !== undefined) return;
      const live = await this.#o.engine.liveWorkers();
      const others = live.filter(({ id }) => !this.#mine.has(id));
      // Another look, or the end of the waiting, may have come meanwhile.
      if (place.worker !== undefined || place.waiters === 0) return;
      if (others.some(({ providers }) => providers.includes(provider))) return;
      place.worker = this.#start([provider]);
      await place.worker;
    } catch (error) {
      place.worker = undefined;
      // The next look tries again; the caller that waits decides when that took too long.
      if (!isRedisTrouble(error)) throw error;
    }
  }

  async #start(providers: readonly string[]): Promise<WorkerHandle> {
    await this.#o.assertFit?.();
    const worker = await this.#o.engine.startWorker({ providers: [...providers] });
    this.#mine.add(worker.id);
    return worker;
  }

  /** The batch at work commits or goes back, so that others go on. */
  async #stop(worker: WorkerHandle): Promise<void> {
    const deadlineMs = this.#o.redisIsGone() ? 0 : STOP_DEADLINE_MS;
    await inTime(deadlineMs + 1_000, worker.stop({ deadlineMs }), () => undefined);
    this.#mine.delete(worker.id);
  }
}

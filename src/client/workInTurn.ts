/** Works in this process on runs that the caller waits for, while no other worker takes their batches. */
import type { Engine } from "../engine/api.ts";
import { isRedisTrouble } from "../redis/errors.ts";
import { type WorkHere, workHere } from "../session/seeThrough.ts";

/** How often to look whether another worker is live, ms. */
const LOOK_MS = 5_000;

interface Place {
  waiters: number;
  work: Promise<WorkHere> | undefined;
}

export interface WorkInTurnOptions {
  engine: Engine;
  /** Rejects when this Redis must not be written to. */
  assertFit: () => Promise<void>;
  /** Fires when Redis is given up. */
  ended: AbortSignal;
}

export class WorkInTurn {
  readonly #o: WorkInTurnOptions;
  readonly #places = new Map<string, Place>();
  /** Workers that this object started: they do not count as other workers. */
  readonly #mine = new Set<string>();

  constructor(options: WorkInTurnOptions) {
    this.#o = options;
  }

  /** Does `wait`; as long as it lasts and no live worker takes the provider's batches, this process does. */
  async during<Result>(provider: string, wait: () => Promise<Result>): Promise<Result> {
    const place = this.#places.get(provider) ?? { waiters: 0, work: undefined };
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
        await this.#stop(place);
      }
    }
  }

  async #look(provider: string, place: Place): Promise<void> {
    try {
      if (place.work !== undefined) return;
      const live = await this.#o.engine.liveWorkers();
      const others = live.filter(({ id }) => !this.#mine.has(id));
      // Another look, or the end of the waiting, may have come meanwhile.
      if (place.work !== undefined || place.waiters === 0) return;
      if (others.some(({ providers }) => providers.includes(provider))) return;
      place.work = this.#start(provider);
      await place.work;
    } catch (error) {
      place.work = undefined;
      // The next look tries again; the caller that waits decides when that took too long.
      if (!isRedisTrouble(error)) throw error;
    }
  }

  async #start(provider: string): Promise<WorkHere> {
    await this.#o.assertFit();
    const work = await workHere(this.#o.engine, [provider]);
    this.#mine.add(work.id);
    return work;
  }

  async #stop({ work }: Place): Promise<void> {
    const started = await work?.catch(() => undefined);
    if (!started) return;
    await started.stop({ redisIsGone: this.#o.ended.aborted });
    this.#mine.delete(started.id);
  }
}

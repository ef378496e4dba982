/**
 * Gates within the process: how many holders may be inside at once, and their total weight. First come, first served.
 */

interface Waiter {
  weight: number;
  enter: () => void;
}

export class WeightedGate {
  readonly #limit: number;
  #inside = 0;
  readonly #queue: Waiter[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Waits for room. A holder that is heavier than the whole gate enters alone. Rejects with the signal's reason. */
  async enter(weight: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#queue.length === 0 && this.#fits(weight)) {
      this.#inside += weight;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        const at = this.#queue.indexOf(waiter);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason);
        this.#admit();
      };
      const waiter: Waiter = {
        weight,
        enter: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#queue.push(waiter);
    });
  }

  /** Corrects the weight of a holder that is inside. */
  reweigh(from: number, to: number): void {
    this.#inside += to - from;
    if (to < from) this.#admit();
  }

  leave(weight: number): void {
    this.#inside -= weight;
    this.#admit();
  }

  #fits(weight: number): boolean {
    return this.#inside <= 0 || this.#inside + weight <= this.#limit;
  }

  #admit(): void {
    for (let first = this.#queue[0]; first && this.#fits(first.weight); first = this.#queue[0]) {
      this.#queue.shift();
      this.#inside += first.weight;
      first.enter();
    }
  }
}

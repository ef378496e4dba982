/** The id of each slot of the generated catalogue. Ids ascend with their slots, year by year. */
import { mix } from "../random.ts";

const FIRST_YEAR = 1999;

/** The last ids of a year lie in blocks of their own, as real six- and seven-digit ids do: share of the year, and offset. */
const blocks = [
  { from: 0.97, offset: 1_000_000 },
  { from: 0.93, offset: 100_000 },
  { from: 0, offset: 0 },
] as const;

export class IdSpace {
  readonly #seed: number;
  /** First slot of each year from FIRST_YEAR on, and one end. */
  readonly #yearStart: number[] = [];

  /** Years grow as the real ones do: each has some 12 % more than the one before. */
  constructor(seed: number, count: number, lastYear: number) {
    this.#seed = seed;
    const weights = Array.from(
      { length: lastYear - FIRST_YEAR + 1 },
      (_, y) => 1.12 ** (FIRST_YEAR + y) - 0.9,
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    for (const weight of weights) {
      this.#yearStart.push(Math.round((sum / total) * count));
      sum += weight;
    }
    this.#yearStart.push(count);
  }

  /** The slot's year, the year's first slot and its number of slots. Later additions belong to the last year. */
  yearOf(slot: number): { year: number; start: number; size: number } {
    let low = 0;
    let high = this.#yearStart.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#yearStart[middle]! <= slot) low = middle;
      else high = middle - 1;
    }
    const start = this.#yearStart[low]!;
    return { year: FIRST_YEAR + low, start, size: this.#yearStart[low + 1]! - start };
  }

  id(slot: number): string {
    const { year, start, size } = this.yearOf(slot);
    const within = slot - start;
    const { offset } = blocks.find(({ from }) => within >= from * Math.max(size, 10))!;
    // Gaps of up to two numbers, as reserved ids leave them.
    const number = 1 + offset + within * 3 + (mix(this.#seed, slot, 1) % 3);
    return `CVE-${year}-${String(number).padStart(4, "0")}`;
  }

  slotOf(id: string): number | undefined {
    const match = /^CVE-(\d{4})-(\d{4,})$/.exec(id);
    const start = match ? this.#yearStart[Number(match[1]) - FIRST_YEAR] : undefined;
    if (!match || start === undefined) return undefined;
    return blocks
      .map(({ offset }) => start + Math.floor((Number(match[2]) - 1 - offset) / 3))
      .find((slot) => slot >= start && this.id(slot) === id);
  }
}

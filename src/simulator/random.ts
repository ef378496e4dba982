/**
 * Deterministic randomness. `mix` is a pure hash: the same (seed, a, b) gives the same number, in any order and
 * without state, so a record can be generated alone. `Random` is a sequence for building pools.
 */
import { UeeError } from "../core/errors.ts";
import type { Selection } from "./types.ts";

/** A well-mixed unsigned 32-bit number out of up to three 32-bit ones. */
export function mix(seed: number, a: number, b = 0): number {
  let h = (seed ^ 0x9e3779b9) | 0;
  h = Math.imul(h ^ a, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h ^ b, 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h ^ (a >>> 7), 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x165667b1);
  return (h ^ (h >>> 13)) >>> 0;
}

/** As `mix`, in [0, 1). */
export const fraction = (seed: number, a: number, b = 0): number => mix(seed, a, b) / 0x1_0000_0000;

/** The same slots (below 2^21) in an order that seed and salt decide. */
export function shuffled(slots: ArrayLike<number>, seed: number, salt: number): Uint32Array {
  const keys = Float64Array.from(slots, (slot) => mix(seed, slot, salt) * 0x20_0000 + slot).sort();
  return Uint32Array.from(keys, (key) => key % 0x20_0000);
}

/** Picks slots for a change: those that are named, so many, or a share of all; never one twice. */
export class Picker {
  readonly #slots: Uint32Array;
  readonly #slotOf: (id: string) => number | undefined;
  readonly #taken = new Set<number>();
  #next = 0;

  /** `slots` are picked in their order; `slotOf` finds a live record by its id. */
  constructor(slots: Uint32Array, slotOf: (id: string) => number | undefined) {
    this.#slots = slots;
    this.#slotOf = slotOf;
  }

  pick(what: Selection | undefined): number[] {
    const picked: number[] = [];
    const take = (slot: number): void => {
      this.#taken.add(slot);
      picked.push(slot);
    };
    if (typeof what === "object") {
      for (const id of what) {
        const slot = this.#slotOf(id);
        if (slot === undefined)
          throw new UeeError("API_NOT_FOUND", `The simulator has no live record '${id}'.`);
        take(slot);
      }
      return picked;
    }
    const all = this.#slots.length;
    const count = typeof what === "string" ? Math.round((all * Number.parseFloat(what)) / 100) : (what ?? 0);
    for (; picked.length < count && this.#next < all; this.#next++) {
      const slot = this.#slots[this.#next]!;
      if (!this.#taken.has(slot)) take(slot);
    }
    return picked;
  }
}

/** FNV-1a: a text as a 32-bit number. */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

export class Random {
  readonly #seed: number;
  #step = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** [0, 1) */
  next(): number {
    this.#step += 1;
    return fraction(this.#seed, this.#step, 0x5eed);
  }

  /** A whole number in [from, to]. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }

  uuid(): string {
    const part = (digits: number): string =>
      this.int(0, 16 ** digits - 1)
        .toString(16)
        .padStart(digits, "0");
    return `${part(8)}-${part(4)}-4${part(3)}-a${part(3)}-${part(6)}${part(6)}`;
  }
}

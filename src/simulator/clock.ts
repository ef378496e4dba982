/** The simulator's own clock: the true time, or another one at the same pace. */
import { UeeError } from "../core/errors.ts";
import { parseTime } from "../core/time.ts";

/** ms of a time given as ms or ISO; throws VAL_DATE. */
export function timeOf(time: number | string): number {
  const ms = typeof time === "number" ? time : parseTime(time);
  if (ms === undefined) throw new UeeError("VAL_DATE", `'${time}' is not a time.`);
  return ms;
}

export class SimulatedClock {
  readonly #real: () => number;
  #offset = 0;

  constructor(real: () => number) {
    this.#real = real;
  }

  now(): number {
    return this.#real() + this.#offset;
  }

  set(now: number | string | undefined): void {
    this.#offset = now === undefined ? 0 : timeOf(now) - this.#real();
  }
}

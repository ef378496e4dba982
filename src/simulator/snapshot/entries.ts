/** The existing entries of a generated snapshot feed, and their editions. A slot keeps its id for ever. */
import { UeeError } from "../../core/errors.ts";
import { Picker, shuffled } from "../random.ts";
import { type Change, type ChangeReport, emptyReport, type Point } from "../types.ts";

const share = (count: number, part: number): number => Math.max(1, Math.round(count * part));

export class SnapshotEntries {
  readonly #seed: number;
  readonly #base: number;
  readonly idOf: (slot: number) => string;
  /** 0: removed. Editions count from 1. */
  #editions: number[] = [];
  #mutations = 0;
  /** Counts releases of the catalogue: 0 at the point before. */
  release = 0;
  /** The greatest release there was: one that comes after an edition was taken back has a number of its own. */
  #newest = 0;
  /** The other of the two newest editions. */
  #other: { editions: number[]; release: number } | undefined;

  constructor(options: { seed: number; count: number; point: Point; idOf: (slot: number) => string }) {
    this.#seed = options.seed;
    this.#base = options.count;
    this.idOf = options.idOf;
    this.#load(options.point);
  }

  #load(point: Point): void {
    this.#editions = new Array<number>(this.#base).fill(1);
    this.release = 0;
    this.#newest = 0;
    this.#other = undefined;
    if (point === "before" || this.#base === 0) return;
    this.#mutations = 0;
    this.mutate({
      remove: share(this.#base, 0.01),
      modify: share(this.#base, 0.05),
      add: share(this.#base, 0.02),
    });
  }

  *live(): Generator<{ slot: number; edition: number }> {
    for (let slot = 0; slot < this.#editions.length; slot++) {
      const edition = this.#editions[slot]!;
      if (edition > 0) yield { slot, edition };
    }
  }

  setPoint(point: Point): ChangeReport {
    const was = this.#editions;
    this.#load(point);
    return this.#since(was);
  }

  #since(was: readonly number[]): ChangeReport {
    const report = emptyReport();
    for (let slot = 0; slot < Math.max(was.length, this.#editions.length); slot++) {
      const [old = 0, now = 0] = [was[slot], this.#editions[slot]];
      if (old === now) continue;
      (old === 0 ? report.added : now === 0 ? report.removed : report.modified).push(this.idOf(slot));
    }
    return report;
  }

  #takeBack(): ChangeReport {
    if (!this.#other) throw new UeeError("API_BAD_INPUT", "There is no edition before the present one.");
    const was = this.#editions;
    const { editions, release } = this.#other;
    this.#other = { editions: was, release: this.release };
    this.#editions = editions;
    this.release = release;
    return this.#since(was);
  }

  /** Every change is a release. */
  mutate(change: Change): ChangeReport {
    if (change.takeBack) return this.#takeBack();
    if (change.reject || change.silent)
      throw new UeeError("API_BAD_INPUT", "Snapshot feeds know add, modify and remove; the rest is NVD's.");
    const was = [...this.#editions];
    this.#other = { editions: was, release: this.release };
    this.#mutations += 1;
    this.#newest += 1;
    this.release = this.#newest;
    const live = Array.from(this.live(), ({ slot }) => slot);
    let byId: Map<string, number> | undefined;
    const slotOf = (id: string): number | undefined => {
      byId ??= new Map(live.map((slot) => [this.idOf(slot), slot]));
      return byId.get(id);
    };
    const picker = new Picker(shuffled(live, this.#seed, this.#mutations), slotOf);
    for (const slot of picker.pick(change.remove)) this.#editions[slot] = 0;
    for (const slot of picker.pick(change.modify)) this.#editions[slot]! += 1;
    for (let left = change.add ?? 0; left > 0; left--) this.#editions.push(1);
    return this.#since(was);
  }
}

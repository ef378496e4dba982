/**
 * Decides which faults apply to a request. Draws are a pure hash of (seed, spec, number of requests that the spec has
 * seen), so a run with the same requests in the same order meets the same faults. A drawn fault is counted only if it
 * was applied: `short-page` drawn for an empty page injects nothing.
 */
import { fraction, hashText, mix } from "../random.ts";
import { type BadKind, badKinds, type StandIn } from "../types.ts";
import { allFaults, type FaultName, faultEntry, type Phase } from "./catalog.ts";
import { type FaultSpec, parseFaults } from "./spec.ts";

interface Armed {
  spec: FaultSpec;
  salt: number;
  seen: number;
  applied: number;
}

interface DrawnFault {
  name: FaultName;
  arg: string | undefined;
  armed: Armed;
}

/** The faults drawn for one request. */
export class Drawn {
  readonly #faults: DrawnFault[];
  readonly #record: (name: FaultName, times: number) => void;
  /** Applied so far, in order. */
  readonly applied: FaultName[] = [];

  constructor(faults: DrawnFault[], record: (name: FaultName, times: number) => void) {
    this.#faults = faults;
    this.#record = record;
  }

  /** Should this fault apply? Call it only where it can; it counts. Returns the argument or its default. */
  take(name: FaultName, fallback = ""): string | undefined {
    const index = this.#faults.findIndex((fault) => fault.name === name);
    if (index < 0) return undefined;
    const { arg, armed } = this.#faults[index]!;
    this.#faults.splice(index, 1);
    if (armed.applied >= armed.spec.count) return undefined;
    armed.applied += 1;
    this.applied.push(name);
    this.#record(name, 1);
    return arg ?? fallback;
  }

  /** The argument of a fault that may apply, or its default; counts nothing. */
  peek(name: FaultName, fallback: string): string {
    return this.#faults.find((fault) => fault.name === name)?.arg ?? fallback;
  }

  has(name: FaultName): boolean {
    return this.#faults.some((fault) => fault.name === name);
  }

  /** Takes the first of a phase, in the order of the specs; nothing where there is none left to apply. */
  takeFirst(
    phase: Phase,
    except: (name: FaultName) => boolean = () => false,
  ): [name: FaultName, arg: string] | [name?: undefined, arg?: undefined] {
    const name = this.#faults.find((one) => faultEntry(one.name).phase === phase && !except(one.name))?.name;
    const arg = name && this.take(name);
    return name && arg !== undefined ? [name, arg] : [];
  }
}

export class Injector {
  readonly #seed: number;
  #armed: Armed[] = [];
  #badRecords: FaultSpec[] = [];
  readonly injected: Record<string, number> = {};
  /** Changes whenever the faults are set. */
  generation = 0;

  constructor(seed: number, faults: readonly string[]) {
    this.#seed = seed;
    this.set(faults);
  }

  /** Replaces all faults; the counts of `nth` and `xcount` restart. Earlier injections stay counted. */
  set(faults: readonly string[]): void {
    const specs = parseFaults(faults);
    this.generation += 1;
    this.#badRecords = specs.filter((spec) => spec.name === "bad-record");
    this.#armed = specs
      .filter((spec) => spec.name !== "bad-record")
      .map((spec, index) => ({ spec, salt: mix(hashText(spec.text), index), seen: 0, applied: 0 }));
  }

  get texts(): string[] {
    return [...this.#armed.map(({ spec }) => spec.text), ...this.#badRecords.map((spec) => spec.text)];
  }

  count(name: FaultName, times: number): void {
    if (times > 0) this.injected[name] = (this.injected[name] ?? 0) + times;
  }

  draw(upstream: StandIn, path: string): Drawn {
    const drawn: DrawnFault[] = [];
    for (const armed of this.#armed) {
      const { spec } = armed;
      if (spec.path !== undefined && spec.path !== path) continue;
      if (spec.upstream !== undefined && spec.upstream !== upstream) continue;
      if (spec.name !== "all" && !faultEntry(spec.name).on.includes(upstream)) continue;
      armed.seen += 1;
      if (armed.applied >= spec.count) continue;
      if (spec.nth.length > 0 && !spec.nth.includes(armed.seen)) continue;
      if (spec.rate < 1 && fraction(this.#seed, armed.salt, armed.seen) >= spec.rate) continue;
      drawn.push({ name: this.#name(armed, upstream), arg: spec.arg, armed });
    }
    return new Drawn(drawn, (name, times) => this.count(name, times));
  }

  #name(armed: Armed, upstream: StandIn): FaultName {
    if (armed.spec.name !== "all") return armed.spec.name;
    const names = allFaults(upstream);
    return names[mix(this.#seed, armed.salt ^ 0xa11, armed.seen) % names.length]!;
  }

  /** The rule by which this upstream's records are currently broken; undefined when they are not. */
  badRecords(upstream: StandIn): ((id: string) => BadKind | undefined) | undefined {
    const specs = this.#badRecords.filter(
      (spec) => spec.rate > 0 && (spec.upstream === undefined || spec.upstream === upstream),
    );
    if (specs.length === 0) return undefined;
    return (id) => {
      const hash = hashText(`${upstream} ${id}`);
      for (const spec of specs) {
        if (fraction(this.#seed, hash, hashText(spec.text)) >= spec.rate) continue;
        return (
          (spec.arg as BadKind | undefined) ?? badKinds[mix(this.#seed, hash, 0x4bad) % badKinds.length]!
        );
      }
      return undefined;
    };
  }
}

/**
 * A machine in Redis. Every request, from any pod, is checked against the table by one script in the step that moves
 * the machine. There is one writer, and no reader sees a state that the table does not lead to.
 *
 * A crash leaves no partial state. The transition of a process that dies between the script and its log line is in
 * the history.
 */
import type { Redis } from "ioredis";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Keys, ProviderKeys } from "../redis/keys.ts";
import { type PageRequest, readNewestFirst, type StreamPage } from "../redis/newestFirst.ts";
import { loadScripts, type Script } from "../redis/scripts.ts";
import { redisMs } from "../redis/time.ts";
import { type Machine, statesThatAllow, stepOf } from "./defineMachine.ts";
import { luaTables } from "./luaTables.ts";
import { type MacroEvent, type MacroState, macroMachine } from "./macroMachine.ts";
import { type ProviderEvent, type ProviderState, providerMachine } from "./providerMachine.ts";
import {
  decodeReply,
  encodeRequest,
  type MachineSnapshot,
  type Transition,
  type TransitionRequest,
  type TransitionResult,
  toSnapshot,
  toTransition,
} from "./request.ts";
import { logTransition } from "./transitionLog.ts";

const scripts = loadScripts(import.meta.url, ["requestProvider-3", "requestMacro-2"], luaTables);

export interface MachineStoreOptions<State extends string, Event extends string> {
  redis: Redis;
  logger: Logger;
  machine: Machine<State, Event>;
  /** Null for the macro machine. */
  providerId: string | null;
  script: Script;
  /** In the script's order; the machine's HASH and the history's STREAM come first. */
  keys: readonly [machine: string, history: string, ...others: string[]];
  /** Transitions kept in the history. */
  kept?: number;
}

export type Settled<State extends string, Event extends string> = Extract<
  TransitionResult<State, Event>,
  { kind: "moved" | "unchanged" }
>;

export interface ConditionalRequest<State extends string, Event extends string>
  extends Omit<TransitionRequest<State>, "expect"> {
  events: Event | readonly Event[];
}

/** One entry of the history; `id` is its position for paging. */
export type HistoryEntry<State extends string, Event extends string> = Transition<State, Event> & {
  id: string;
};

export class MachineStore<State extends string, Event extends string> {
  readonly machine: Machine<State, Event>;
  readonly providerId: string | null;
  readonly #o: MachineStoreOptions<State, Event>;

  constructor(options: MachineStoreOptions<State, Event>) {
    this.#o = options;
    this.machine = options.machine;
    this.providerId = options.providerId;
  }

  async read(): Promise<MachineSnapshot<State, Event>> {
    const { redis, keys } = this.#o;
    const [fields, now] = await Promise.all([redis.hgetall(keys[0]), redisMs(redis)]);
    return toSnapshot(this.machine, this.providerId, fields, now);
  }

  /** Applies the events, all or none, in one step. Returns the outcome; throws only Redis errors. */
  async attempt(
    events: Event | readonly Event[],
    request: TransitionRequest<State>,
  ): Promise<TransitionResult<State, Event>> {
    const { redis, script, keys, kept } = this.#o;
    return this.settle(await script.run(redis, [...keys], [encodeRequest(events, request, kept)]));
  }

  /**
   * Like `attempt`, for callers that need the transition.
   * @throws UeeError PROV_ILLEGAL_TRANSITION naming machine, state, event and the states that would allow it, also
   * when the machine is not as `expect` says.
   */
  async request(
    events: Event | readonly Event[],
    request: TransitionRequest<State>,
  ): Promise<Settled<State, Event>> {
    const result = await this.attempt(events, request);
    if (result.kind === "moved" || result.kind === "unchanged") return result;
    throw this.refusal(result, typeof events === "string" ? events : events[0]);
  }

  /**
   * Reads the machine, calls `decide`, and requests its answer on condition that the machine has not moved. After a
   * lost race it reads and decides again. `decide` returns undefined when there is nothing to do.
   */
  async decide(
    decide: (snapshot: MachineSnapshot<State, Event>) => ConditionalRequest<State, Event> | undefined,
  ): Promise<Settled<State, Event>> {
    for (;;) {
      const snapshot = await this.read();
      const wanted = decide(snapshot);
      if (wanted === undefined) return { kind: "unchanged", snapshot };
      const { events, ...request } = wanted;
      const result = await this.attempt(events, { ...request, expect: { version: snapshot.version } });
      if (result.kind === "moved" || result.kind === "unchanged") return result;
      if (result.kind === "refused") throw this.refusal(result, result.event);
    }
  }

  /** Newest first. */
  history(page: PageRequest): Promise<StreamPage<HistoryEntry<State, Event>>> {
    return readNewestFirst(this.#o.redis, this.#o.keys[1], page, (id, fields) => ({
      id,
      ...toTransition(this.machine, this.providerId, fields),
    }));
  }

  /**
   * Decodes a script's `transitionReply` and logs its transitions; for scripts that move this machine beside other
   * work.
   */
  settle(reply: unknown): TransitionResult<State, Event> {
    const result = decodeReply(this.machine, this.providerId, reply);
    if (result.kind === "moved") for (const move of result.moves) logTransition(this.#o.logger, move);
    return result;
  }

  /** The error that names what was refused and the states that would allow it. */
  refusal(
    result: Extract<TransitionResult<State, Event>, { kind: "refused" | "lost" }>,
    event: Event | undefined,
  ): UeeError {
    const machine = this.providerId ?? "the fleet";
    const refused = result.kind === "refused" ? result.event : event;
    const state = result.kind === "refused" ? result.state : result.snapshot.state;
    const allowed = refused === undefined ? [] : statesThatAllow(this.machine, refused);
    const states = allowed.join(", ");
    const known = refused !== undefined && stepOf(this.machine, state, refused) !== undefined;
    const said =
      result.kind === "lost"
        ? `${machine} is ${state} by now: another one moved it before '${refused}'.`
        : result.why === "person" && known
          ? `${machine} is ${state}: only a person may ask for '${refused}'.`
          : `${machine} is ${state}: '${refused}' is possible in ${states || "no state"}.`;
    return new UeeError("PROV_ILLEGAL_TRANSITION", said, {
      data: { machine: this.machine.name, provider: this.providerId, state, event: refused, allowed },
    });
  }
}

type StoreSurroundings = Pick<MachineStoreOptions<never, never>, "redis" | "logger" | "kept">;

export type ProviderMachineStore = MachineStore<ProviderState, ProviderEvent>;
export type MacroMachineStore = MachineStore<MacroState, MacroEvent>;

/** The keys of a provider's machine in the order of its scripts: machine, history, outbox. */
export const providerMachineKeys = (keys: ProviderKeys): [string, string, string] => [
  keys.machine,
  keys.transitions,
  keys.machineOutbox,
];

export const openProviderMachine = (
  providerId: string,
  keys: ProviderKeys,
  surroundings: StoreSurroundings,
): ProviderMachineStore =>
  new MachineStore({
    ...{ ...surroundings, machine: providerMachine, providerId },
    ...{ script: scripts.requestProvider, keys: providerMachineKeys(keys) },
  });

export const openMacroMachine = (keys: Keys, surroundings: StoreSurroundings): MacroMachineStore =>
  new MachineStore({
    ...{ ...surroundings, machine: macroMachine, providerId: null },
    ...{ script: scripts.requestMacro, keys: [keys.macroMachine, keys.macroTransitions] },
  });

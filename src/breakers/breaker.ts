/**
 * The circuit breaker of one upstream in this process (docs/breakers.md). Redis holds the state of the whole fleet and is
 * asked before every call, so a pod that has just started obeys a breaker that another pod opened. The local opossum
 * circuit follows that state and decides alone while Redis is unreachable. Every outcome names the version under which its
 * call began; late outcomes are ignored.
 */
import { randomUUID } from "node:crypto";
import type { NamedRequest } from "../core/actor.ts";
import { toUeeError, UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { isRedisTrouble } from "../redis/errors.ts";
import type { Guard, GuardedCall, GuardRequest } from "../upstream/guard.ts";
import type { BreakerStore, CallReport } from "./breakerStore.ts";
import { makeCircuit } from "./circuit.ts";
import { type CallOwner, makeGuardedCall, type Phase, type ProbeGrant } from "./guardedCall.ts";
import { type BreakerPolicy, openMs } from "./policy.ts";
import {
  type BreakerReply,
  type BreakerState,
  type BreakerTransition,
  type BreakerView,
  openError,
} from "./report.ts";

export interface BreakerOptions {
  store: BreakerStore;
  policy: BreakerPolicy;
  logger: Logger;
  /** A probe that has not ended after this time has failed, ms. */
  probeLimitMs: number;
  /** Lease of the token, ms; renewed after a third of it. Default 15,000. */
  leaseMs?: number;
  /** Called after every transition that this process made. Errors it throws are logged. */
  onMoved?(transition: BreakerTransition, view: BreakerView): Promise<void> | void;
  random?: () => number;
}

/** Version of a phase that only this process knows, because Redis is unreachable. */
const ALONE = -1;

/** Maximum age of an answer from Redis that is still used right before a request is sent, ms. */
const FRESH_MS = 250;

export class Breaker implements Guard, CallOwner {
  readonly store: BreakerStore;
  readonly policy: BreakerPolicy;
  readonly leaseMs: number;
  readonly probeLimitMs: number;
  readonly logger: Logger;
  readonly #o: BreakerOptions;
  readonly #probes = new Set<GuardedCall>();
  readonly #pending = new Set<Promise<unknown>>();
  #phase: Phase | undefined;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.#o = options;
    this.store = options.store;
    this.policy = options.policy;
    this.leaseMs = options.leaseMs ?? 15_000;
    this.probeLimitMs = options.probeLimitMs;
    this.logger = options.logger;
  }

  get upstream(): string {
    return this.store.upstream;
  }

  /** State in this process, for display only. */
  get localState(): BreakerState {
    return this.#phase?.circuit.state ?? "closed";
  }

  async enter({ signal, limitAllows }: GuardRequest): Promise<GuardedCall> {
    const said = await this.#shared(() => this.store.admit({ mode: "call" }));
    if (said?.verdict === "due") {
      await limitAllows();
      signal.throwIfAborted();
      return await this.#probe(signal);
    }
    if (said?.verdict === "refused") throw openError(said.view, this.policy);
    return this.#begin(undefined);
  }

  async confirm(begunIn: Phase): Promise<Phase> {
    if (performance.now() - this.#heardAt > FRESH_MS || this.#phase !== begunIn) {
      const said = await this.#shared(() => this.store.admit({ mode: "again" }));
      if (said && said.verdict !== "pass") throw openError(said.view, this.policy);
    }
    const phase = this.#presentPhase();
    if (phase !== begunIn && phase.circuit.state !== "closed") throw this.#openHere();
    return phase;
  }

  async report(
    phase: Phase,
    report: Pick<CallReport, "token" | "outcome" | "code" | "message" | "reason">,
  ): Promise<BreakerReply | undefined> {
    const { policy } = this;
    const failedProbes = report.token === undefined ? 0 : phase.failedProbes + 1;
    const said = await this.#shared(() =>
      this.store.report({
        ...report,
        version: phase.version,
        threshold: policy.threshold,
        openMs: openMs(policy, failedProbes, this.#o.random),
        pauseMs: policy.pauseMs,
      }),
    ).catch((error: unknown) => {
      // The caller reports how the call ended. A call without a report does not count.
      const { code, message } = toUeeError(error);
      this.logger.warn({ event: "breaker_untold", upstream: this.upstream, code }, message);
      return undefined;
    });
    if (said === undefined && report.outcome === "failure") this.#failedAlone(phase);
    return said;
  }

  inBackground(work: Promise<unknown>): void {
    const settled = work.catch(() => undefined).finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  /** Closes the breaker on behalf of an operator; `changed` is false when it was already closed. */
  async reset(by: NamedRequest): Promise<{ changed: boolean; view: BreakerView }> {
    for (;;) {
      const { version } = await this.store.view();
      const said = await this.store.reset(version, by);
      this.#heard(said);
      if (said.verdict === "moved") return { changed: true, view: said.view };
      if (said.verdict === "unchanged") return { changed: false, view: said.view };
      // The breaker changed between the two requests; the operator's request applies to its current state.
      if (said.verdict !== "lost") throw new UeeError("PROV_ILLEGAL_TRANSITION");
    }
  }

  /** Returns the probe token and shuts the circuit down. Call it when no calls are in progress. */
  async close(): Promise<void> {
    await Promise.all([...this.#probes].map((call) => call.abandoned()));
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
    this.#phase?.circuit.retire();
    this.#phase = undefined;
  }

  async #probe(signal: AbortSignal): Promise<GuardedCall> {
    const token = randomUUID();
    const askedAt = performance.now();
    const said = await this.#shared(() => this.store.admit({ mode: "probe", token, leaseMs: this.leaseMs }));
    // The breaker closed, or another probe began, between the two requests.
    if (said?.verdict === "refused") throw openError(said.view, this.policy);
    if (said?.verdict !== "probe") return this.#begin(undefined);
    this.#enter("half_open", said.view.version, said.view.failedProbes, 0);
    return this.#begin({ token, askedAt, signal });
  }

  #begin(probe: ProbeGrant | undefined): GuardedCall {
    const phase = this.#presentPhase();
    const call = makeGuardedCall(this, phase, probe);
    if (!call) throw this.#openHere();
    if (probe) {
      this.#probes.add(call);
      void call.ended.finally(() => this.#probes.delete(call));
    }
    return call;
  }

  /** Follows the state in Redis. Undefined when Redis is unreachable or failing. */
  async #shared(ask: () => Promise<BreakerReply>): Promise<BreakerReply | undefined> {
    try {
      const said = await ask();
      this.#heard(said);
      return said;
    } catch (error) {
      if (isRedisTrouble(error)) return undefined;
      throw error;
    }
  }

  #heard({ view, moves }: BreakerReply): void {
    this.#heardAt = performance.now();
    if (this.#phase?.version !== view.version) {
      // Only the holder of the token is half open; for every other process the breaker is open.
      const state = view.state === "closed" ? "closed" : "open";
      this.#enter(state, view.version, view.failedProbes, view.remainingMs);
    }
    for (const move of moves) {
      logBreakerTransition(this.logger, move);
      this.inBackground(this.#tell(move, view));
    }
  }

  async #tell(move: BreakerTransition, view: BreakerView): Promise<void> {
    try {
      await this.#o.onMoved?.(move, view);
    } catch (error) {
      const { code, message } = toUeeError(error);
      this.logger.warn({ event: "breaker_listener", upstream: this.upstream, code }, message);
    }
  }

  #enter(state: BreakerState, version: number, failedProbes: number, remainingMs: number): Phase {
    this.#phase?.circuit.retire();
    this.#phase = { version, failedProbes, circuit: makeCircuit(this.upstream, state, remainingMs) };
    return this.#phase;
  }

  #presentPhase(): Phase {
    return this.#phase ?? this.#enter("closed", ALONE, 0, 0);
  }

  /** Redis is unreachable: this process opens its own circuit until Redis answers again. */
  #failedAlone(phase: Phase): void {
    if (phase !== this.#phase) return;
    const { circuit, failedProbes } = phase;
    const probeFailed = circuit.state === "open";
    if (!probeFailed && circuit.failures < this.policy.threshold) return;
    const failed = probeFailed ? failedProbes + 1 : 0;
    const waitMs = openMs(this.policy, failed, this.#o.random);
    this.#enter("open", ALONE, failed, waitMs);
    this.logger.warn(
      { event: "breaker_alone", upstream: this.upstream, failures: circuit.failures, waitMs },
      `${this.upstream}: Redis is away; this process opens its breaker for itself`,
    );
  }

  #openHere(): UeeError {
    return new UeeError("PROV_CIRCUIT_OPEN", undefined, {
      retryAfterMs: this.policy.probingMs,
      data: { upstream: this.upstream },
    });
  }
}

/** The log line of a transition, written by the process that made it. */
function logBreakerTransition(logger: Logger, transition: BreakerTransition): void {
  const { upstream, oldState, newState, trigger, reason, failures, failedProbes, until } = transition;
  const level = newState === "open" ? "warn" : "info";
  const { actor, version } = transition;
  const states = { old_state: oldState, new_state: newState, trigger, reason };
  const counts = { failures, failed_probes: failedProbes, until };
  logger[level](
    { event: "breaker_transition", upstream, ...states, ...counts, actor, version },
    `${upstream}'s circuit breaker: ${oldState} → ${newState}${reason === null ? "" : ` (${reason})`}`,
  );
}

/**
 * The circuit breaker of one upstream, as this process has it. Redis holds the truth for the whole fleet: it is asked before
 * every call, so that a breaker which another pod opened is obeyed at once, by a pod that has just started too. The local
 * opossum circuit follows it, and decides alone while Redis is away.
 *
 *  - Failures in a row are counted for the fleet: one pod's good answers show that the upstream is well.
 *  - Whoever asks first once an open breaker's time is over gets the probe's token; what comes of its call closes the breaker
 *    or opens it again, for all.
 *  - Every outcome names the version under which its call began; what comes late counts for nothing.
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
import { openError } from "./openError.ts";
import { type BreakerPolicy, openMs } from "./policy.ts";
import type { BreakerReply, BreakerState, BreakerTransition, BreakerView } from "./report.ts";
import { logBreakerTransition } from "./transitionLog.ts";

export interface BreakerOptions {
  store: BreakerStore;
  policy: BreakerPolicy;
  logger: Logger;
  /** A probe that has come to no end by then has failed, ms. */
  probeLimitMs: number;
  /** How long a token is held unless it is renewed, ms; renewed at a third of it. Default 15,000. */
  leaseMs?: number;
  /** Told of every transition that this process made; what it throws is logged. */
  onMoved?(transition: BreakerTransition, view: BreakerView): Promise<void> | void;
  random?: () => number;
}

/** Version of a phase that only this process knows of, since Redis is away. */
const ALONE = -1;

/** What Redis said this long ago, or less, is still believed right before a request is sent, ms. */
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

  /** Of this process; for those who look, it decides nothing. */
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
      // The call has its own end to tell; an outcome that was not told is one that did not count.
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

  /** A person closes it; `changed` is false when it was closed already. */
  async reset(by: NamedRequest): Promise<{ changed: boolean; view: BreakerView }> {
    for (;;) {
      const { version } = await this.store.view();
      const said = await this.store.reset(version, by);
      this.#heard(said);
      if (said.verdict === "moved") return { changed: true, view: said.view };
      if (said.verdict === "unchanged") return { changed: false, view: said.view };
      // It moved between the two: the person's word is about what it is now.
      if (said.verdict !== "lost") throw new UeeError("PROV_ILLEGAL_TRANSITION");
    }
  }

  /** Gives a probe's token back and lets the circuit go. To be called when no calls are under way any more. */
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
    // It closed, or another one's probe began, between the two questions.
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

  /** Follows what Redis says. Undefined when Redis is away or unwell. */
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
      // Half open is only who holds the token; for all others it is open.
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

  /** Redis is away: this process opens for itself, until Redis says otherwise. */
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

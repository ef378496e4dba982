/**
 * What stands between a provider's jobs and their steps: the provider's machine and the permit pool. A batch asks to be
 * admitted; a batch whose provider is paused or waits, or that gets no permit, goes back without spending an attempt. What happens to batches
 * moves the machine, so that its state is true for the whole fleet.
 *
 * Nothing here decides what is written: fences and the run's state do. A transition that is missed (a crash, a lost reply)
 * makes the state late, never a record wrong; `align` repairs it.
 */
import type { Actor } from "../core/actor.ts";
import { UeeError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ProviderMachineStore } from "../machines/machineStore.ts";
import type { ProviderEvent, ProviderState } from "../machines/providerMachine.ts";
import type { MachineFacts } from "../machines/request.ts";
import { holdPermit, isWaiting, type PermitHolder } from "../permits/permitHolder.ts";
import type { ControlTiming, PermitPool } from "../permits/permitPool.ts";
import type { ProviderQueue } from "../queues/providerQueue.ts";
import { type CountedDeadLetters, capLevel, capReason, capShare } from "../recovery/deadLetters/counts.ts";
import type { DeadLetterStore } from "../recovery/deadLetters/deadLetterStore.ts";
import { processActor } from "../runs/processIdentity.ts";
import type { RunRecord } from "../runs/runRecord.ts";
import type { Runs } from "../runs/runs.ts";
import { type ErrorLimits, type PauseReason, tooManyErrors } from "./errorRate.ts";

/** A batch waits so long in its place for a permit before it goes back; it is back within the second. */
const PERMIT_WAIT_MS = 800;
const COME_BACK_MS = 100;
/** Shorter waits move no machine: they would be over before an operator could see them. */
const WORTH_A_STATE_MS = 1_000;
/** A wait may be called off before its time: it is asked again at least this often. */
export const LOOK_AGAIN_MS = 5_000;

export interface GovernorOptions {
  provider: string;
  machine: ProviderMachineStore;
  pool: PermitPool;
  runs: Runs;
  queue: ProviderQueue;
  deadLetters: DeadLetterStore;
  limits: ErrorLimits;
  logger: Logger;
}

const working: ReadonlySet<ProviderState> = new Set([
  "ACQUIRING",
  "RUNNING",
  "WAITING_QUOTA",
  "WAITING_BACKOFF",
]);

const factsOf = (run: RunRecord): MachineFacts => ({
  ...(run.checkpoint === null ? {} : { urn: run.checkpoint }),
  processed: run.created + run.updated + run.unchanged + run.dead + run.accepted,
  errors: run.dead + run.deadSize,
});

export class Governor {
  readonly #o: GovernorOptions;
  readonly #actor = processActor();
  /** Waiters' names in use: a name keeps its place in the pool's queue from one request to the next. */
  readonly #slots = new Set<number>();
  #leases = 0;

  constructor(options: GovernorOptions) {
    this.#o = options;
  }

  /** May a batch of the open run start now? `onControl`: see PermitRequest. Its permit, or the error that sends it back (class deferred). */
  async admit(
    runId: string,
    signal: AbortSignal,
    onControl?: ControlTiming,
  ): Promise<PermitHolder | UeeError> {
    const asked = await this.#tell("wait_over");
    let { state } = asked.snapshot;
    if (state === "PAUSED") return new UeeError("PROV_PAUSED", undefined, { retryAfterMs: COME_BACK_MS });
    if (state === "WAITING_BACKOFF" && asked.snapshot.remainingMs > 0) {
      const retryAfterMs = Math.min(asked.snapshot.remainingMs, LOOK_AGAIN_MS);
      const why = asked.snapshot.reason ?? "the provider waits";
      return new UeeError("PROV_BACKING_OFF", why, { retryAfterMs });
    }
    if (!working.has(state)) {
      // A late job of a run that is over needs no permit to find that out; an open run is at work whatever was missed.
      if ((await this.#o.runs.openRunId()) !== runId) return new UeeError("STOR_RUN_CLOSED");
      state = await this.#openedBefore(runId);
    }
    const slot = this.#takeSlot();
    try {
      const got = await holdPermit(this.#o.pool, {
        lease: `${this.#actor.name}:${this.#o.provider}:${Date.now().toString(36)}:${this.#leases++}`,
        provider: this.#o.provider,
        waiter: `${this.#actor.name}:${slot}`,
        owner: this.#actor.name,
        waitMs: PERMIT_WAIT_MS,
        signal,
        ...(onControl ? { onControl } : {}),
      });
      if (isWaiting(got)) {
        await this.#denied(got.reason, got.ahead);
        return new UeeError("PERM_NONE_FREE", undefined, { retryAfterMs: COME_BACK_MS });
      }
      try {
        if (state !== "RUNNING") await this.#tell("permits_granted");
      } catch (error) {
        // The batch goes back; without this its permit would be renewed for as long as the process lives.
        got.release();
        throw error;
      }
      return got;
    } finally {
      this.#slots.delete(slot);
    }
  }

  /** A batch of an open run came before the transition of the caller that opened it: this one names that caller and its reason. */
  async #openedBefore(runId: string): Promise<ProviderState> {
    return (await this.#o.machine.attempt("open_run", await this.#openerOf(runId))).snapshot.state;
  }

  async #openerOf(runId: string): Promise<{ actor: Actor; reason: string | undefined }> {
    const run = await this.#o.runs.read(runId);
    if (!run) return { actor: this.#actor, reason: undefined };
    return { actor: { kind: run.actorKind, name: run.actor }, reason: run.reason ?? undefined };
  }

  /** A batch goes back for so long, because its upstream or Redis wants it. */
  async backOff(waitMs: number, reason: string): Promise<void> {
    if (waitMs >= WORTH_A_STATE_MS) await this.#tell("back_off", { waitMs, reason });
  }

  /** Redis is in trouble: who looks at the provider sees why nothing moves. */
  async holdForRedis(reason: string, waitMs: number): Promise<void> {
    const { state } = await this.#o.machine.read();
    if (working.has(state)) await this.#tell("back_off", { waitMs, reason });
  }

  /** The cause of a wait has ended: ends the wait whose reason begins with `code`, and no other. */
  async waitEnded(code: "SYS_REDIS_" | "STOR_MIGRATING" | "PROV_CIRCUIT_OPEN", why: string): Promise<void> {
    await this.#o.machine.decide(({ state, reason }) =>
      state === "WAITING_BACKOFF" && reason?.startsWith(code)
        ? { events: "upstream_well", actor: this.#actor, reason: why }
        : undefined,
    );
  }

  /** @throws UeeError PROV_PAUSED with the reason and who paused. */
  async refuseIfPaused(): Promise<void> {
    const { state, reason, actor, since } = await this.#o.machine.read();
    if (state !== "PAUSED") return;
    const said = `${this.#o.provider} is paused since ${since} by ${actor}${reason ? `: ${reason}` : ""}.`;
    throw new UeeError("PROV_PAUSED", said, { data: { runId: await this.#o.runs.openRunId() } });
  }

  async runOpened(actor: Actor, reason?: string): Promise<void> {
    await this.#o.machine.attempt("open_run", { actor, reason });
  }

  async runEnded(run: RunRecord): Promise<void> {
    const reason = run.result ?? "over";
    await this.#tell("finish", { reason, facts: { ...factsOf(run), permits: 0 } });
  }

  async isPaused(): Promise<boolean> {
    return (await this.#o.machine.read()).state === "PAUSED";
  }

  /**
   * Pauses the provider when too many records failed for good since the run began or was resumed. What was received before
   * the resume (`receivedAt`, µs by the provider's clock) shows what was wrong then: it is forgiven with all that had failed. `records`: how many
   * are counted for this first.
   */
  async watchErrors(
    runId: string,
    latest: { code: string; message: string }[],
    { records, receivedAt }: { records: number; receivedAt: number },
  ): Promise<void> {
    const run = await this.#o.runs.read(runId);
    if (run?.state !== "open") return;
    if (receivedAt < run.errorBase.at) {
      if (records > 0) await this.#o.runs.forgive(runId, records);
      return;
    }
    const pause = tooManyErrors(run, this.#o.limits, latest);
    if (pause) await this.#pauseByItself(pause, factsOf(run));
  }

  /** A batch was marked dead: warns when the dead letters come near their cap, and pauses the provider at it. */
  async watchDeadLetters(now: CountedDeadLetters & { isNew: boolean }): Promise<void> {
    const { deadLetters, provider, logger } = this.#o;
    if (!now.isNew) return;
    const level = capLevel(now, deadLetters.limits);
    if (level === "full") return await this.#pauseAtCap(now);
    if (level === "near" && capLevel({ ...now, letters: now.letters - 1 }, deadLetters.limits) === "ok") {
      const { reason, details } = capReason(now, deadLetters.limits);
      const line = {
        event: "dead_letters_near_cap",
        provider,
        share: capShare(now, deadLetters.limits),
        ...details,
      };
      logger.warn(line, `near the cap at which ${provider} pauses: ${reason.replace(/^\w+: /, "")}`);
    }
  }

  async #pauseAtCap(now: CountedDeadLetters): Promise<void> {
    await this.#pauseByItself(capReason(now, this.#o.deadLetters.limits), {});
    await this.#o.deadLetters.pausedForFull();
  }

  async #pauseByItself(pause: PauseReason, facts: MachineFacts): Promise<void> {
    const told = await this.#tell("pause_on_error", { ...pause, facts });
    if (told.snapshot.state === "PAUSED") await this.#o.queue.pause();
  }

  /** Why batches at work must end now: the provider is paused, or its run was stopped. */
  async mustStop(): Promise<UeeError | undefined> {
    const { state, reason } = await this.#o.machine.read();
    if (state === "PAUSED") return new UeeError("PROV_PAUSED", reason ?? undefined);
    const stopped = state === "TERMINATED" && (await this.#o.runs.openRunId()) === null;
    return stopped ? new UeeError("STOR_RUN_CLOSED") : undefined;
  }

  /** Mends what a crash left between machine, run and queue. */
  async align(): Promise<string[]> {
    const { machine, runs, queue, deadLetters, pool, provider } = this.#o;
    const repairs: string[] = [];
    const [snapshot, openRunId] = await Promise.all([machine.read(), runs.openRunId()]);
    const { state } = snapshot;
    const mend = async (
      event: ProviderEvent,
      repair: string,
      by: { actor: Actor; reason: string | undefined } = { actor: this.#actor, reason: "repaired" },
    ): Promise<void> => {
      // Decided on what was read: a transition in between stands.
      const result = await machine.attempt(event, {
        ...by,
        expect: { version: snapshot.version },
      });
      if (result.kind === "moved") repairs.push(repair);
    };
    if (openRunId !== null && (state === "IDLE" || state === "TERMINATED")) {
      await mend(
        "open_run",
        "an open run whose provider was said to be idle",
        await this.#openerOf(openRunId),
      );
    } else if (openRunId === null && working.has(state)) {
      await mend("finish", "a provider said to be at work without a run");
    } else if (state === "RUNNING") {
      const held =
        (await pool.show({ holders: 0 })).providers.find((p) => p.provider === provider)?.held ?? 0;
      const since = snapshot.since === null ? 0 : Math.abs((await runs.now()) - Date.parse(snapshot.since));
      if (held === 0 && since > LOOK_AGAIN_MS)
        await mend("recover", "a provider said to run without a permit");
    }
    const counts = await deadLetters.counts();
    if (counts.fullDue) {
      // A process created the dead letter that reached the cap, and died before it paused the provider.
      const { dead, replaying } = counts.byState;
      await this.#pauseAtCap({ letters: dead + replaying, rawBytes: counts.countedBytes });
      repairs.push("dead letters at their cap whose provider was not paused");
      return repairs;
    }
    const queuePaused = await queue.isPaused();
    if (state === "PAUSED" && !queuePaused) {
      await queue.pause();
      repairs.push("a paused provider whose queue was not");
    } else if (state !== "PAUSED" && queuePaused) {
      await queue.resume();
      repairs.push("a queue that was left paused");
    }
    return repairs;
  }

  #takeSlot(): number {
    let slot = 0;
    while (this.#slots.has(slot)) slot++;
    this.#slots.add(slot);
    return slot;
  }

  /** WAITING_QUOTA only when the provider is left without any permit: one that holds some is at work. */
  async #denied(why: string, ahead: number): Promise<void> {
    const view = await this.#o.pool.show({ holders: 0 });
    const held = view.providers.find((p) => p.provider === this.#o.provider)?.held ?? 0;
    if (held > 0) return;
    await this.#tell("permits_denied", {
      reason: `no permit (${why}, ${ahead} ahead, ${view.allocated} of ${view.effective} held)`,
    });
  }

  #tell(event: ProviderEvent, more: Omit<Parameters<ProviderMachineStore["attempt"]>[1], "actor"> = {}) {
    return this.#o.machine.attempt(event, { actor: this.#actor, ...more });
  }
}

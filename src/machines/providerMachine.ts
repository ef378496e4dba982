/** The machine of one provider: v2e's states and transitions, plus those that continuous mirroring needs. */
import { defineMachine, type Machine } from "./defineMachine.ts";

const late = "The run is over: late events of a pod have no effect.";
const working = "The provider is already running; every batch that gets a permit sends this event.";
const waitsAlready =
  "The provider already waits, and the machine keeps one wait: after it the provider asks again and meets the other one.";

export const providerMachine = defineMachine({
  name: "provider",
  initial: "IDLE",
  states: {
    IDLE: "No run has been opened yet.",
    ACQUIRING: "A run is open; the provider requests its first permit, or one after a wait.",
    RUNNING: "At least one batch of the run holds a permit.",
    WAITING_QUOTA: "The run is open and the pool has no permit left for this provider.",
    WAITING_BACKOFF:
      "The run is open and no batch may start before a known time: a wait of the upstream, an open breaker or trouble of Redis.",
    PAUSED: "Nothing starts until an operator resumes; restarts, deploys and schedules do not change this.",
    TERMINATED: "The last run is over, completed, failed or stopped; the next one may open.",
  },
  events: {
    open_run: "A run opens, or a schedule, a command, the API or a script's job joins the open one.",
    permits_granted: "A batch got a permit.",
    permits_denied: "A batch got no permit, and none of this provider's batches holds one.",
    back_off:
      "The upstream requires a wait, its breaker opened, or Redis is in trouble; the event carries the length of the wait.",
    wait_over:
      "A pod is ready to continue the run. Ignored while a back-off lasts, so every batch may send it.",
    upstream_well: "The cause of the wait ended early: the breaker closed, or Redis works again.",
    pause: "An operator pauses the provider.",
    pause_on_error: "The error rate or the cap of dead letters was exceeded.",
    resume: "An operator resumes the provider.",
    stop: "An operator stops the run: planned batches are cancelled.",
    finish: "The run closed, complete or not, or no run is open any more.",
    recover: "A pod starts or repairs, and no live worker holds a permit of this provider.",
  },
  table: {
    IDLE: {
      open_run: { to: "ACQUIRING", v2e: true, why: "The provider's first run." },
      pause: {
        to: "PAUSED",
        why: "An operator must be able to pause before anything runs: a first full load may be unwelcome now.",
      },
      recover: { stays: "keeps", why: "There is nothing to recover." },
    },
    ACQUIRING: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_granted: { to: "RUNNING", v2e: true, why: "The provider has its permit." },
      permits_denied: {
        to: "WAITING_QUOTA",
        why: "The request was refused. Without this transition, a provider refused at its start or after a wait would look as if it were about to run, or would pass through RUNNING without a permit.",
      },
      back_off: {
        to: "WAITING_BACKOFF",
        why: "The upstream may require a wait before the run's first permit, or a wait may still last when another one ends. Without this transition the provider would pass through RUNNING without running.",
      },
      wait_over: { stays: "keeps", why: "Another pod sent it first." },
      upstream_well: { stays: "keeps", why: "Another pod sent it first." },
      pause: { to: "PAUSED", v2e: true, why: "An operator pauses before work begins." },
      pause_on_error: { to: "PAUSED", v2e: true, why: "Errors of batches that had their permits earlier." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled before it began." },
      finish: { to: "TERMINATED", v2e: true, why: "No batch is left that needs a permit." },
      recover: { stays: "keeps", why: "The provider retries automatically." },
    },
    RUNNING: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_granted: { stays: "keeps", why: working },
      permits_denied: {
        to: "WAITING_QUOTA",
        v2e: true,
        why: "Its permits were revoked, or went to others when its batches ended.",
      },
      back_off: { to: "WAITING_BACKOFF", v2e: true, why: "The provider must wait." },
      wait_over: { stays: "keeps", why: working },
      upstream_well: { stays: "keeps", why: working },
      pause: { to: "PAUSED", v2e: true, why: "Batches stop at their next safe point." },
      pause_on_error: { to: "PAUSED", v2e: true, why: "Further batches would fail with the same errors." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: { to: "TERMINATED", v2e: true, why: "The run closed." },
      recover: {
        to: "ACQUIRING",
        why: "Every permit holder died and no batch runs; RUNNING would be wrong until the next permit. The provider requests one again.",
      },
    },
    WAITING_QUOTA: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_denied: { stays: "refreshes", why: "Still no permit: the latest reason is kept." },
      back_off: { stays: "keeps", why: waitsAlready },
      permits_granted: {
        to: "ACQUIRING",
        v2e: true,
        again: true,
        why: "A permit arrived, so the request is granted at once.",
      },
      wait_over: { stays: "keeps", why: "The provider waits for a permit, not for a time." },
      upstream_well: { stays: "keeps", why: "The provider does not wait for the upstream." },
      pause: {
        to: "PAUSED",
        why: "A pause must not wait for a permit, and the run must not continue when one arrives.",
      },
      pause_on_error: {
        to: "PAUSED",
        why: "The batch whose errors passed the threshold may have held the last permit.",
      },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: { to: "TERMINATED", v2e: true, why: "The run closed: its last steps need no permit." },
      recover: { to: "ACQUIRING", v2e: true, why: "The provider requests a permit again." },
    },
    WAITING_BACKOFF: {
      open_run: { stays: "keeps", why: "Joining the open run; the wait stands." },
      permits_denied: { stays: "keeps", why: waitsAlready },
      back_off: { stays: "refreshes", why: "The wait was extended: its end moves later, never earlier." },
      wait_over: { to: "ACQUIRING", v2e: true, guard: "until", why: "The wait is over." },
      upstream_well: { to: "ACQUIRING", v2e: true, why: "The cause of the wait ended early." },
      pause: { to: "PAUSED", why: "A pause must not wait for the upstream." },
      pause_on_error: { to: "PAUSED", why: "Batches in flight when the wait began may end in errors." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: {
        to: "TERMINATED",
        v2e: true,
        why: "The run closed: its last steps need no upstream.",
      },
      recover: { stays: "keeps", why: "The remaining wait is kept." },
    },
    PAUSED: {
      pause: { stays: "keeps", why: "The first pause keeps its reason and its author." },
      pause_on_error: { stays: "keeps", why: "Batches that were in flight do not change the pause." },
      resume: {
        to: "ACQUIRING",
        v2e: true,
        by: "person",
        why: "Only an operator ends a pause. If no run is open, `finish` follows in the same step.",
      },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The paused run is cancelled." },
      finish: {
        stays: "keeps",
        why: "A run whose last step was in progress may still close; the pause stays.",
      },
      recover: { stays: "keeps", why: "A restart does not end a pause." },
    },
    TERMINATED: {
      open_run: {
        to: "ACQUIRING",
        why: "A mirror runs continuously: the next run opens after the last one.",
      },
      pause: {
        to: "PAUSED",
        why: "Between two runs is the usual time to keep the next one from opening.",
      },
      pause_on_error: {
        to: "PAUSED",
        why: "The last batch's errors, or dead letters at their cap, must keep the next run from opening.",
      },
      permits_denied: { stays: "keeps", why: late },
      back_off: { stays: "keeps", why: late },
      wait_over: { stays: "keeps", why: late },
      upstream_well: { stays: "keeps", why: late },
      stop: { stays: "keeps", why: "The run has already stopped." },
      finish: { stays: "keeps", why: "The run is already closed." },
      recover: { stays: "keeps", why: "Skipped: the next run opens by schedule or by hand." },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type ProviderState = Named<typeof providerMachine>["state"];
export type ProviderEvent = Named<typeof providerMachine>["event"];

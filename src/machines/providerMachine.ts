/** The machine of one provider: v2e's states and transitions, and what a mirror that runs for ever needs beside them. */
import { defineMachine, type Machine } from "./defineMachine.ts";

const late = "The run is over: what a pod still has to say of it changes nothing.";
const working = "It works already; every batch that gets a permit says so.";
const waitsAlready =
  "It waits already, and two waits are not told apart: when this one is over it asks again, and the other shows.";

export const providerMachine = defineMachine({
  name: "provider",
  initial: "IDLE",
  states: {
    IDLE: "No run was ever opened.",
    ACQUIRING: "A run is open; the provider asks for its first permit, or for one after a wait.",
    RUNNING: "At least one batch of the run holds a permit.",
    WAITING_QUOTA: "The run is open and the pool has no permit left for this provider.",
    WAITING_BACKOFF:
      "The run is open and must not be worked on before a known time: the upstream's wait, an open breaker, a Redis in trouble.",
    PAUSED: "Nothing is started until a person resumes; restarts, deploys and schedules do not change that.",
    TERMINATED: "The last run is over, completed, failed or stopped; the next one may open.",
  },
  events: {
    open_run: "A run opens, or somebody joins the open one: schedule, command line, API, a script's job.",
    permits_granted: "A batch got a permit.",
    permits_denied: "A batch got no permit, and none of this provider's batches holds one.",
    back_off:
      "The upstream said to wait, its breaker opened, or Redis is in trouble; the wait's length comes along.",
    wait_over:
      "A pod would go on with the run. Of no effect while a back-off's time lasts, so every batch may ask first.",
    upstream_well: "What was waited for ended before its time: the breaker closed, Redis is well again.",
    pause: "A person pauses.",
    pause_on_error: "The error rate, or the cap of the dead letters, was passed.",
    resume: "A person resumes.",
    stop: "A person stops the run: what is planned is cancelled.",
    finish: "The run closed by itself, complete or not; or no run is open any more.",
    recover: "A pod starts, or mends, and no live worker holds a permit of this provider.",
  },
  table: {
    IDLE: {
      open_run: { to: "ACQUIRING", v2e: true, why: "The provider's first run." },
      pause: {
        to: "PAUSED",
        why: "A person's word must be able to stand before anything runs: a first full load may be unwelcome now.",
      },
      recover: { stays: "keeps", why: "There is nothing to recover." },
    },
    ACQUIRING: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_granted: { to: "RUNNING", v2e: true, why: "It has what it asked for." },
      permits_denied: {
        to: "WAITING_QUOTA",
        why: "It asked and was refused. Without this, a provider refused at its start, or again after a wait, would look as if it were about to run, or would have to pass through RUNNING without a permit.",
      },
      back_off: {
        to: "WAITING_BACKOFF",
        why: "The fleet may be told to wait before the run's first permit, or a wait be found lasting when another one ends. Without this the state would have to pass through RUNNING, and lie.",
      },
      wait_over: { stays: "keeps", why: "Another pod said so first." },
      upstream_well: { stays: "keeps", why: "Another pod said so first." },
      pause: { to: "PAUSED", v2e: true, why: "A person pauses before the work begins." },
      pause_on_error: { to: "PAUSED", v2e: true, why: "Errors of batches that had their permits earlier." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled before it worked." },
      finish: { to: "TERMINATED", v2e: true, why: "Nothing is left to ask a permit for." },
      recover: { stays: "keeps", why: "It retries by itself." },
    },
    RUNNING: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_granted: { stays: "keeps", why: working },
      permits_denied: {
        to: "WAITING_QUOTA",
        v2e: true,
        why: "Its permits were revoked, or went to others when its batches ended.",
      },
      back_off: { to: "WAITING_BACKOFF", v2e: true, why: "It must wait." },
      wait_over: { stays: "keeps", why: working },
      upstream_well: { stays: "keeps", why: working },
      pause: { to: "PAUSED", v2e: true, why: "Batches stop at their next safe point." },
      pause_on_error: { to: "PAUSED", v2e: true, why: "More of the same errors would help nobody." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: { to: "TERMINATED", v2e: true, why: "The run closed." },
      recover: {
        to: "ACQUIRING",
        why: "Every holder died: nobody runs, and RUNNING would say the opposite until the first permit. It asks again.",
      },
    },
    WAITING_QUOTA: {
      open_run: { stays: "keeps", why: "Joining the open run." },
      permits_denied: { stays: "refreshes", why: "Still none: the latest reason is the true one." },
      back_off: { stays: "keeps", why: waitsAlready },
      permits_granted: {
        to: "ACQUIRING",
        v2e: true,
        again: true,
        why: "A permit came: what it asks for it has at once.",
      },
      wait_over: { stays: "keeps", why: "It waits for a permit, not for a time." },
      upstream_well: { stays: "keeps", why: "It does not wait for the upstream." },
      pause: {
        to: "PAUSED",
        why: "Who pauses must not have to wait for a permit first, nor may the run go on when one comes.",
      },
      pause_on_error: {
        to: "PAUSED",
        why: "The batch whose errors passed the threshold may have held the last permit.",
      },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: { to: "TERMINATED", v2e: true, why: "The run closed: its last steps need no permit." },
      recover: { to: "ACQUIRING", v2e: true, why: "It retries." },
    },
    WAITING_BACKOFF: {
      open_run: { stays: "keeps", why: "Joining the open run; the wait stands." },
      permits_denied: { stays: "keeps", why: waitsAlready },
      back_off: { stays: "refreshes", why: "The wait grew: its end moves out, never in." },
      wait_over: { to: "ACQUIRING", v2e: true, guard: "until", why: "The time is over." },
      upstream_well: { to: "ACQUIRING", v2e: true, why: "What was waited for is well before its time." },
      pause: { to: "PAUSED", why: "Who pauses must not have to wait for the upstream first." },
      pause_on_error: { to: "PAUSED", why: "Batches in flight when the wait began may end in errors." },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The run is cancelled." },
      finish: {
        to: "TERMINATED",
        v2e: true,
        why: "The run closed: its last steps ask the upstream nothing.",
      },
      recover: { stays: "keeps", why: "It keeps what is left of its wait." },
    },
    PAUSED: {
      pause: { stays: "keeps", why: "The first word, its reason and its author, stand." },
      pause_on_error: { stays: "keeps", why: "Batches that were in flight add nothing to the pause." },
      resume: {
        to: "ACQUIRING",
        v2e: true,
        by: "person",
        why: "Only a person ends a pause. Where no run is open, `finish` follows in the same step.",
      },
      stop: { to: "TERMINATED", v2e: true, by: "person", why: "The paused run is cancelled." },
      finish: {
        stays: "keeps",
        why: "A run whose last step was under way may still close; the pause outlasts it.",
      },
      recover: { stays: "keeps", why: "A restart is no person." },
    },
    TERMINATED: {
      open_run: {
        to: "ACQUIRING",
        why: "A mirror runs for ever: the end of one run is where the next one opens.",
      },
      pause: {
        to: "PAUSED",
        why: "Between two runs is when a person most likely wants to keep the next one from opening.",
      },
      pause_on_error: {
        to: "PAUSED",
        why: "The last batch's errors, or dead letters at their cap, must keep the next run from opening.",
      },
      permits_denied: { stays: "keeps", why: late },
      back_off: { stays: "keeps", why: late },
      wait_over: { stays: "keeps", why: late },
      upstream_well: { stays: "keeps", why: late },
      stop: { stays: "keeps", why: "It has stopped already." },
      finish: { stays: "keeps", why: "Closing twice is closing once." },
      recover: { stays: "keeps", why: "Skipped: the next run opens by schedule or by hand." },
    },
  },
});

type Named<M> = M extends Machine<infer State, infer Event> ? { state: State; event: Event } : never;
export type ProviderState = Named<typeof providerMachine>["state"];
export type ProviderEvent = Named<typeof providerMachine>["event"];

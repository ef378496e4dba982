/**
 * What becomes of one supervised worker process, as a table. Entering a state does what `entryOf` says; what the table does
 * not list (a pong of a process that is being killed) changes nothing. docs/workers.md shows it; a test holds them together.
 */
import { defineMachine } from "../../machines/defineMachine.ts";

export const workerMachine = defineMachine({
  name: "supervised-worker",
  initial: "waiting",
  states: {
    waiting: "No process runs; one is started when its back-off is over.",
    starting: "Its process runs and has not said that it takes batches.",
    working: "It takes batches.",
    killing: "It got SIGKILL; its end is awaited.",
    stopping: "It got SIGTERM; its batches commit or go back.",
    forcing: "It did not stop in time and got SIGKILL.",
    gave_up: "It died too often; it stays away until `uee up` is started again.",
    ended: "It was told to stop and is gone.",
  },
  events: {
    due: "The back-off is over.",
    budget_spent: "It died again, and its restarts of the last minute are used up.",
    ready: "It says that it takes batches.",
    silent: "Three pings in a row went unanswered: its event loop is hung, or it was frozen.",
    beats_missed: "Three heartbeats are missing in Redis, which is well.",
    deaf: "It says that a queue no longer answers its fetches, though Redis is well.",
    exited: "Its process has ended.",
    stop: "Everything shall stop.",
    late: "It was told to stop and has not within its deadline.",
  },
  table: {
    waiting: {
      due: { to: "starting", why: "A worker that died is started again." },
      budget_spent: { to: "gave_up", why: "What dies at once, again and again, does not mend itself." },
      stop: { to: "ended", why: "There is nothing to stop." },
    },
    starting: {
      ready: { to: "working", why: "It has come up." },
      silent: { to: "killing", why: "It hangs before it ever worked." },
      exited: { to: "waiting", why: "It did not come up; once more, later." },
      stop: { to: "stopping", why: "It may hold batches already." },
    },
    working: {
      silent: { to: "killing", why: "It can do nothing any more, not even stop: others take its batches." },
      beats_missed: { to: "killing", why: "The fleet receives nothing from it; what it does is unknown." },
      deaf: { to: "killing", why: "Only a new process fetches again." },
      exited: { to: "waiting", why: "Killed, out of memory, crashed, or stopped by another process." },
      stop: { to: "stopping", why: "Its batches commit or go back." },
    },
    killing: {
      exited: { to: "waiting", why: "A new one takes its place." },
      stop: { to: "forcing", why: "It has had its SIGKILL; no new one comes." },
    },
    stopping: {
      exited: { to: "ended", why: "A clean stop." },
      late: { to: "forcing", why: "The locks of what it holds expire; others take it." },
    },
    forcing: {
      exited: { to: "ended", why: "It is gone at last." },
    },
    gave_up: {
      stop: { to: "ended", why: "There is nothing to stop." },
    },
    ended: {},
  },
});

type Named<M> = M extends { table: infer Table; events: infer Events }
  ? { state: keyof Table & string; event: keyof Events & string }
  : never;
export type SlotState = Named<typeof workerMachine>["state"];
export type SlotEvent = Named<typeof workerMachine>["event"];

/** What is done to the process when a state is entered. */
export const entryOf: Readonly<Partial<Record<SlotState, "spawn" | "SIGKILL" | "SIGTERM">>> = {
  starting: "spawn",
  killing: "SIGKILL",
  stopping: "SIGTERM",
  forcing: "SIGKILL",
};

/** The meaning of each state for an operator: a tone, a sign and a sentence. */
import type { Sign } from "./icons.ts";

export type Tone = "quiet" | "active" | "good" | "warn" | "bad";

export interface Look {
  readonly tone: Tone;
  readonly sign: Sign;
  readonly means: string;
}

export const look = (tone: Tone, sign: Sign, means: string): Look => ({ tone, sign, means });

const looks: Readonly<Record<string, Look>> = {
  IDLE: look("quiet", "ring", "No run has been opened yet."),
  ACQUIRING: look("active", "half", "A run is open and asks for a permit."),
  RUNNING: look("good", "play", "At least one batch works under a permit."),
  WAITING_QUOTA: look("warn", "queue", "The run is open; the pool has no permit left for it."),
  WAITING_BACKOFF: look("warn", "clock", "The run is open and must wait before it goes on."),
  PAUSED: look("bad", "pause", "Nothing starts until an operator resumes."),
  TERMINATED: look("quiet", "stop", "The last run is over; the next one may open."),
  BOOTSTRAPPING: look("quiet", "half", "The fleet has started and no run has begun since."),
  ORCHESTRATING: look("good", "play", "Runs are in progress or have ended; no provider is held up."),
  STABILIZING: look("warn", "alert", "At least one provider waits or is paused."),
  DRAINING: look("warn", "drain", "The last worker stops or has stopped; no batch begins."),
};

export const lookOf = (state: string): Look =>
  looks[state] ?? look("quiet", "ring", "A state that this page does not know.");

const runLooks: Readonly<Record<string, Look>> = {
  running: look("good", "play", "Open."),
  complete: look("good", "check", "All data is stored and verified."),
  incomplete: look("bad", "alert", "Something is missing; the mirror is not verified by it."),
  paused: look("bad", "pause", "Its provider is paused."),
  stopped: look("quiet", "stop", "A person stopped it."),
  failed: look("bad", "cross", "It ended with an error."),
};

export const runLookOf = (state: string): Look => runLooks[state] ?? lookOf(state);

/** The meaning of each state for an operator: a tone, a sign and a sentence. */
export type Tone = "quiet" | "active" | "good" | "warn" | "bad";
export type Sign =
  | "ring"
  | "half"
  | "play"
  | "queue"
  | "clock"
  | "pause"
  | "stop"
  | "check"
  | "cross"
  | "alert"
  | "drain";

export interface Look {
  readonly tone: Tone;
  readonly sign: Sign;
  readonly means: string;
}

const looks: Readonly<Record<string, Look>> = {
  IDLE: { tone: "quiet", sign: "ring", means: "No run has been opened yet." },
  ACQUIRING: { tone: "active", sign: "half", means: "A run is open and asks for a permit." },
  RUNNING: { tone: "good", sign: "play", means: "At least one batch works under a permit." },
  WAITING_QUOTA: {
    tone: "warn",
    sign: "queue",
    means: "The run is open; the pool has no permit left for it.",
  },
  WAITING_BACKOFF: { tone: "warn", sign: "clock", means: "The run is open and must wait before it goes on." },
  PAUSED: { tone: "bad", sign: "pause", means: "Nothing starts until an operator resumes." },
  TERMINATED: { tone: "quiet", sign: "stop", means: "The last run is over; the next one may open." },
  BOOTSTRAPPING: { tone: "quiet", sign: "half", means: "The fleet has started and no run has begun since." },
  ORCHESTRATING: {
    tone: "good",
    sign: "play",
    means: "Runs are in progress or have ended; no provider is held up.",
  },
  STABILIZING: { tone: "warn", sign: "alert", means: "At least one provider waits or is paused." },
  DRAINING: { tone: "warn", sign: "drain", means: "The last worker stops or has stopped; no batch begins." },
};

export const lookOf = (state: string): Look =>
  looks[state] ?? { tone: "quiet", sign: "ring", means: "A state that this page does not know." };

const runLooks: Readonly<Record<string, Look>> = {
  running: { tone: "good", sign: "play", means: "Open." },
  complete: { tone: "good", sign: "check", means: "All data is stored and verified." },
  incomplete: {
    tone: "bad",
    sign: "alert",
    means: "Something is missing; the mirror is not verified by it.",
  },
  paused: { tone: "bad", sign: "pause", means: "Its provider is paused." },
  stopped: { tone: "quiet", sign: "stop", means: "A person stopped it." },
  failed: { tone: "bad", sign: "cross", means: "It ended with an error." },
};

export const runLookOf = (state: string): Look => runLooks[state] ?? lookOf(state);

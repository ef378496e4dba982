/** The meaning of each state for an operator: a tone, a sign and a sentence. */
import type { OverviewProvider } from "../../api/schemas.ts";
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
  WAITING_QUOTA: look("quiet", "queue", "The run is open; the pool has no permit left for it."),
  WAITING_BACKOFF: look("quiet", "clock", "The run is open and must wait before it goes on."),
  PAUSED: look("bad", "pause", "Nothing starts until an operator resumes."),
  TERMINATED: look("quiet", "stop", "The last run is over; the next one may open."),
  BOOTSTRAPPING: look("quiet", "half", "The fleet has started and no run has begun since."),
  ORCHESTRATING: look("good", "play", "Runs are in progress or have ended; no provider is held up."),
  STABILIZING: look("quiet", "alert", "At least one provider waits or is paused."),
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

const words: Readonly<Record<string, string>> = {
  IDLE: "never run",
  ACQUIRING: "starting",
  RUNNING: "running",
  WAITING_QUOTA: "waits for a permit",
  WAITING_BACKOFF: "waits",
  PAUSED: "paused",
  TERMINATED: "over",
};

/** The state of a provider's machine in a word of people. */
export const wordOf = (state: string): string => words[state] ?? state;

/** The situation of a source in a word of people. A source at rest is as good as its last run. */
export function situationOf(
  provider: Pick<OverviewProvider, "machine" | "lastRun" | "lastRunSettled" | "problems" | "verified">,
): {
  word: string;
  look: Look;
} {
  const { machine, lastRun, lastRunSettled, problems } = provider;
  if (machine.state !== "TERMINATED" || lastRun === null)
    return { word: wordOf(machine.state), look: lookOf(machine.state) };
  if (problems.some(({ kind }) => kind === "stale"))
    return { word: "stale", look: look("bad", "clock", "It was verified too long ago.") };
  if (lastRunSettled && !provider.verified)
    return {
      word: "unverified",
      look: look("quiet", "ring", "Its dead letters are settled; the next run verifies."),
    };
  const ended = lastRunSettled ? "complete" : lastRun.state;
  return { word: ended, look: runLookOf(ended) };
}

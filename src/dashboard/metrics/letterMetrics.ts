/** Dead letters: number, kind, and share of the cap at which their provider pauses. */
import type { DeadLetterStats } from "../../recovery/deadLetters/api.ts";
import { type Definition, each, gauge, type MetricsLook, type Sample } from "./definitions.ts";

const ofLetters =
  (read: (stats: DeadLetterStats, labels: { provider: string }) => Sample[]) =>
  (look: MetricsLook): Sample[] =>
    [...look.letters].flatMap(([provider, stats]) => read(stats, { provider }));

/** Every class has a sample, so that an alert sees it rise from zero. */
const none = { exhausted: 0, permanent: 0, stalled: 0, "bad-record": 0 };

export const letterMetrics: readonly Definition[] = [
  gauge(
    "uee_dead_letters",
    "Dead letters by class, accepted ones included.",
    ["provider", "class"],
    ofLetters(({ byClass }, labels) => each("class", { ...none, ...byClass }, labels)),
  ),
  gauge(
    "uee_dead_letter_states",
    "Dead letters that are open, being replayed, or accepted.",
    ["provider", "state"],
    ofLetters(({ byState }, labels) => each("state", { ...byState }, labels)),
  ),
  gauge(
    "uee_dead_letter_codes",
    "Dead letters by code of the error catalog.",
    ["provider", "code"],
    ofLetters(({ byCode }, labels) => each("code", byCode, labels)),
  ),
  gauge(
    "uee_dead_letter_raw_bytes",
    "Raw bytes stored for dead letters.",
    ["provider"],
    ofLetters(({ rawBytes }, labels) => [[labels, rawBytes]]),
  ),
  gauge(
    "uee_dead_letter_cap_ratio",
    "Dead letters as a share of the cap at which their provider pauses.",
    ["provider"],
    ofLetters(({ caps: [cap] }, labels) => (cap === undefined ? [] : [[labels, cap.share]])),
  ),
];

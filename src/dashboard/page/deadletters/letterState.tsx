import type { DeadLetter } from "../../api/schemas.ts";
import { Icon } from "../ui/icon.tsx";

const looks = {
  dead: { tone: "warn", sign: "alert" },
  replaying: { tone: "active", sign: "play" },
  accepted: { tone: "quiet", sign: "check" },
} as const;

export function DeadLetterState({ letter: { state, class: kind } }: { letter: DeadLetter }) {
  const { tone, sign } = looks[state];
  return (
    <span class={`badge tone-${tone}`}>
      <Icon sign={sign} />
      {state === "dead" ? kind : state}
    </span>
  );
}

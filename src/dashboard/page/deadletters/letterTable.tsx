/** One page of dead letters. On a phone each row is a card; ARIA roles still mark a table. */
import type { DeadLetter } from "../../api/schemas.ts";
import { Icon } from "../ui/icon.tsx";
import { Moment, Prose } from "../ui/parts.tsx";

interface TableProps {
  letters: readonly DeadLetter[];
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  onOpen: (id: string) => void;
}

export function LetterTable({ letters, selected, onSelect, onOpen }: TableProps) {
  const all = letters.every(({ id }) => selected.has(id));
  const toggle = (id: string): void => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect(next);
  };
  return (
    <table class="table letters" aria-label="Dead letters">
      <thead>
        <tr>
          <th scope="col">
            <label class="check">
              <input
                type="checkbox"
                checked={all}
                onChange={() => onSelect(all ? new Set() : new Set(letters.map(({ id }) => id)))}
              />
              <span class="letters-all">Select all on this page</span>
            </label>
          </th>
          <th scope="col">Subject</th>
          <th scope="col">Why</th>
          <th scope="col">Tries</th>
          <th scope="col">Last failed</th>
        </tr>
      </thead>
      <tbody>
        {letters.map((letter) => (
          <tr key={letter.id} aria-selected={selected.has(letter.id)}>
            <td class="letter-pick">
              <input
                type="checkbox"
                aria-label={`Select ${letter.subject}`}
                checked={selected.has(letter.id)}
                onChange={() => toggle(letter.id)}
              />
            </td>
            <td class="letter-subject">
              <button type="button" class="link" onClick={() => onOpen(letter.id)}>
                {letter.subject}
              </button>
              <span class="muted">
                {letter.provider}, {letter.kind}
              </span>
            </td>
            <td class="letter-why">
              <span class="row letter-code">
                <code>{letter.code}</code>
                <DeadLetterState letter={letter} />
              </span>
              <span class="muted letter-message" title={letter.message}>
                <Prose text={letter.message} />
              </span>
            </td>
            <td class="letter-tries">
              {letter.attempts}
              {letter.replays > 0 && <span class="muted">, replayed {letter.replays} ×</span>}
            </td>
            <td class="letter-when">
              <Moment at={letter.lastFailedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

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

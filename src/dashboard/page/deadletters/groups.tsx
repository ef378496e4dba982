/** Dead letters in groups: what failed in the same way, and what a replay will and will not do about it. */
import type { DeadLetterGroups } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { query, useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { AnswerPanel } from "../ui/answer.tsx";
import { Button } from "../ui/icon.tsx";
import { Moment, Prose } from "../ui/parts.tsx";
import type { BulkAction } from "./bulkDialog.tsx";
import { anyLetter, type Choice } from "./filter.tsx";

type Group = DeadLetterGroups["groups"][number];

interface GroupsProps {
  provider: string;
  version: string | null;
  onAct: (action: BulkAction, matching: Choice) => void;
}

export function Groups({ provider, version, onAct }: GroupsProps) {
  const read = useGet<DeadLetterGroups>(`/api/dead-letters/groups${query({ provider })}`, version);
  if (read.answer?.groups.length === 0) return null;
  return (
    <AnswerPanel id="dead-letter-groups" title="What failed" of={read} loading={[3, "the groups"]}>
      {({ groups }) => (
        <ul class="rows rows-groups" aria-label="Groups of dead letters">
          {groups.map((group) => (
            <GroupLine key={`${group.provider}/${group.code}`} group={group} onAct={onAct} />
          ))}
        </ul>
      )}
    </AnswerPanel>
  );
}

function GroupLine({ group, onAct }: { group: Group; onAct: GroupsProps["onAct"] }) {
  const { provider, code, fields, looked, oldest, newest, example } = group;
  const matching = { ...anyLetter, provider, code };
  const isRecords = ofRecords(group);
  return (
    <li>
      <strong class="figure">{count(group.count)}</strong>
      <span class="column">
        <span class="row">
          <strong>{provider}</strong>
          <a href={href("dead-letters", null, { provider, code })}>
            <code>{code}</code>
          </a>
          {fields.map(({ field, count: many }) => (
            <span key={field} class="badge tone-quiet" title={`Among the newest ${count(looked)}`}>
              <code>{field}</code> {count(many)}
            </span>
          ))}
        </span>
        {example !== null && (
          <span class="row-text">
            <Prose text={example.message} />
          </span>
        )}
        <span class="muted small">{remedyOf(group)}</span>
        {newest !== null && (
          <span class="muted small">
            Newest <Moment at={newest} />
            {oldest !== null && (
              <>
                , oldest <Moment at={oldest} />
              </>
            )}
            {looked < group.count && ` among the newest ${count(looked)}`}
          </span>
        )}
      </span>
      <span class="actions">
        <Button aria-label={`Replay ${code} of ${provider}`} onClick={() => onAct("replay", matching)}>
          Replay
        </Button>
        {isRecords && (
          <Button aria-label={`Accept ${code} of ${provider}`} onClick={() => onAct("accept", matching)}>
            Accept
          </Button>
        )}
        <Button aria-label={`Purge ${code} of ${provider}`} onClick={() => onAct("purge", matching)}>
          Purge
        </Button>
      </span>
    </li>
  );
}

/** A rare code may be missing among the newest letters, which tell the kind; the code tells it too. */
const ofRecords = ({ kinds, code }: Group): boolean =>
  kinds.includes("record") || code.startsWith("VAL_RECORD_");

/** What a replay of the group will do, and what it will not. */
function remedyOf(group: Group): string {
  const { example } = group;
  if (ofRecords(group))
    return "A replay reads the stored bytes again: it helps after an update of UEE, not after a correction upstream. A new run of the source fetches the records again and settles those that are valid by then. Accept: runs no longer count these records until they change.";
  if (example?.class === "stalled")
    return "The worker's process ended three times while it worked on these. A replay works on them again and may end a worker again.";
  if (example?.class === "permanent")
    return "A replay requests the data again with new attempts. It fails in the same way until the cause is fixed. Newer data is never overwritten.";
  return "A replay requests the data again with new attempts, in the open run or in a replay run. Newer data is never overwritten. A replay does not verify the source; the next run does.";
}

/** What changed in the mirror: the feed, the newest first, and how much a day. */
import type { Change, ChangeDays, RecentChanges } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { query, useGets } from "../live/http.ts";
import { href } from "../state/address.ts";
import { AnswerPanel } from "../ui/answer.tsx";
import { AddressChoice, Empty, Moment, SourceChoice } from "../ui/parts.tsx";
import { useAddress, useNow, useVersion } from "../ui/useStore.ts";
import { DayStrip } from "./dayStrip.tsx";

const most = 100;
const kinds = ["created", "updated", "removed"] as const;

export function Changes() {
  const { provider = "", op = "" } = useAddress().query;
  const version = useVersion(({ openRun, lastRun, records }) => {
    const made = openRun === null ? 0 : openRun.created + openRun.updated + openRun.removed;
    return `${lastRun?.runId ?? ""}/${made}/${records}`;
  }, provider);
  const read = useGets<[RecentChanges, ChangeDays]>(
    [`/api/changes/recent${query({ provider, op, limit: most })}`, `/api/changes/days${query({ provider })}`],
    version,
  );
  return (
    <AnswerPanel
      id="changes"
      title="Changes"
      of={read}
      loading={[6, "the changes"]}
      aside={
        <>
          <SourceChoice />
          <AddressChoice name="op" label="Kind" options={kinds} />
        </>
      }
    >
      {([{ changes, complete }, { days }]) => (
        <>
          <DayStrip days={days} shown={kinds.filter((kind) => op === "" || op === kind)} />
          {changes.length === 0 ? (
            <Empty title="No changes">
              {complete
                ? "The feed has no entries that match."
                : "None among the newest 8,000 of each source; uee changes reads the whole feed."}
            </Empty>
          ) : (
            <Feed changes={changes} />
          )}
        </>
      )}
    </AnswerPanel>
  );
}

function Feed({ changes }: { changes: readonly Change[] }) {
  return (
    <>
      <ol class="rows rows-changes" aria-label="Changes, the newest first">
        {changes.map((change) => (
          <ChangeLine key={`${change.cursor}`} change={change} />
        ))}
      </ol>
      {changes.length === most && (
        <p class="muted small">
          These are the newest {count(most)}; <code>uee changes</code> and <code>GET /api/changes</code> read
          the whole feed.
        </p>
      )}
    </>
  );
}

const tones = { created: "good", updated: "active", removed: "quiet", summary: "quiet" } as const;

/** One change; `own`: in the history of one record, whose name needs no saying. */
export function ChangeLine({ change, own = false }: { change: Change; own?: boolean }) {
  const { op, provider, id, urn, fields, counts, at, runId } = change;
  const now = useNow();
  const recent = now - Date.parse(at) < 24 * 3_600_000;
  return (
    <li>
      <a class="muted nowrap" href={href("runs", runId)} title={`In run ${runId}`}>
        <Moment at={at} show={recent ? "both" : "clock"} />
      </a>
      <span class={`badge tone-${tones[op]}`}>{op}</span>
      {!own &&
        (op === "summary" ? (
          <span>all of {provider}</span>
        ) : (
          <a class="row-text" href={href("records", urn)}>
            {id}
          </a>
        ))}
      <span class="row-text muted">
        {counts
          ? `${plural(counts.created, "record")} created, ${count(counts.updated)} updated, ${count(counts.removed)} removed`
          : fields.length > 0
            ? fields.join(", ")
            : ""}
      </span>
    </li>
  );
}

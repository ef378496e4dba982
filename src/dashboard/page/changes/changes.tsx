/** What changed in the mirror: the feed, the newest first, and how much a day. */
import type { Change, ChangeDays, RecentChanges } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { ask, query, useAnswer } from "../live/http.ts";
import { href } from "../state/address.ts";
import { refine } from "../state/navigate.ts";
import { ErrorText } from "../ui/notices.tsx";
import { Choice, Empty, Loading, Moment, Panel } from "../ui/parts.tsx";
import { useAddress, useNow, usePage } from "../ui/useStore.ts";
import { DayStrip } from "./dayStrip.tsx";

const most = 100;
const kinds = ["created", "updated", "removed"] as const;

/** Grows with every change that a run makes; null while Redis is away. */
const useChangesVersion = (provider: string): string | null =>
  usePage(({ fleet: { overview, trouble } }) =>
    overview === null || trouble !== null
      ? null
      : overview.providers
          .filter((one) => provider === "" || one.provider === provider)
          .map(({ openRun, lastRun, records }) => {
            const made = openRun === null ? 0 : openRun.created + openRun.updated + openRun.removed;
            return `${lastRun?.runId ?? ""}/${made}/${records}`;
          })
          .join(" "),
  );

export function Changes() {
  const { provider = "", op = "" } = useAddress().query;
  const providers = usePage(({ fleet }) => fleet.overview?.providers) ?? [];
  const version = useChangesVersion(provider);
  const read = <Answer,>(path: string) =>
    useAnswer(version === null ? null : (signal) => ask<Answer>("GET", path, undefined, signal), [
      path,
      version,
    ]);
  const feed = read<RecentChanges>(`/api/changes/recent${query({ provider, op, limit: most })}`);
  const days = read<ChangeDays>(`/api/changes/days${query({ provider })}`);
  const error = feed.error ?? days.error;
  return (
    <Panel
      id="changes"
      title="Changes"
      busy={feed.answer === null}
      aside={
        <>
          <Choice
            label="Source"
            value={provider}
            options={providers.map((one) => one.provider)}
            onChoose={(value) => refine({ provider: value })}
          />
          <Choice label="Kind" value={op} options={kinds} onChoose={(value) => refine({ op: value })} />
        </>
      }
    >
      {error !== null ? (
        <ErrorText error={error} />
      ) : feed.answer === null || days.answer === null ? (
        <Loading lines={6} what="the changes" />
      ) : (
        <>
          <DayStrip days={days.answer.days} shown={kinds.filter((kind) => op === "" || op === kind)} />
          {feed.answer.changes.length === 0 ? (
            <Empty title="No changes">
              {feed.answer.complete
                ? "The feed holds none that match."
                : "None among the newest 8,000 of each source; uee changes reads the whole feed."}
            </Empty>
          ) : (
            <Feed changes={feed.answer.changes} />
          )}
        </>
      )}
    </Panel>
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
          The newest {count(most)}. All that are kept: <code>uee changes</code> or{" "}
          <code>GET /api/changes</code>.
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
      <a class="muted nowrap" href={href("runs", runId)} title={`In run ${runId}`}>
        <Moment at={at} show={recent ? "both" : "clock"} />
      </a>
    </li>
  );
}

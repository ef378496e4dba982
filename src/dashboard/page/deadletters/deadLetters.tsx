/** Dead letters: find by filter, inspect, replay, accept, purge. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ApiError, DeadLetters as DeadLetterPage, DeadLetterStats } from "../../api/schemas.ts";
import { count, percent, plural } from "../lib/figures.ts";
import { query, useGets } from "../live/http.ts";
import { refine } from "../state/navigate.ts";
import { Button } from "../ui/icon.tsx";
import { ErrorText, OutcomeAt } from "../ui/notices.tsx";
import { Empty, Loading, Panel } from "../ui/parts.tsx";
import { useAddress, usePage, useVersion } from "../ui/useStore.ts";
import { type BulkAction, BulkDialog, letterPlace, type Target } from "./bulkDialog.tsx";
import { clear, inWords, isAny, LetterFilter, toFilter, useChoice } from "./filter.tsx";
import { Groups } from "./groups.tsx";
import { LetterDialog } from "./letterDialog.tsx";
import { LetterTable } from "./letterTable.tsx";

export function DeadLetters() {
  // The list may have changed: dead letters were added or removed, or a replay went on.
  const version = useVersion(({ deadLetters, jobs, openRun }) =>
    [deadLetters.entries, jobs.failed, openRun?.kind === "replay" ? openRun.batchesDone : ""].join("/"),
  );
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const chosen = useChoice();
  const { page, stats, error, loading, before, reload } = useLetters(version);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const { letter: opened = null, text = "" } = useAddress().query;
  // The actions on all that match know no text: while one is searched, only selected letters can be acted on.
  const searching = text !== "" && selected.size === 0;
  const setOpened = (letter: string | null): void => refine({ letter: letter ?? "" });
  const [bulk, setBulk] = useState<{ action: BulkAction; target: Target } | null>(null);
  // Rows that left the page leave the selection: an action applies to visible rows only.
  useEffect(() => {
    const here = new Set(page?.letters.map(({ id }) => id));
    setSelected((before) => {
      const still = [...before].filter((id) => here.has(id));
      return still.length === before.size ? before : new Set(still);
    });
  }, [page]);
  const letters = page?.letters ?? [];
  const act = (action: BulkAction, target: Target): void => setBulk({ action, target });
  return (
    <>
      <Groups
        provider={chosen.provider}
        version={version}
        onAct={(action, matching) => act(action, { matching })}
      />
      <Panel id="dead-letters" title="Dead letters" busy={loading} aside={stats && <Totals stats={stats} />}>
        {stats && <Caps stats={stats} />}
        {stats !== null && stats.total > 0 && <LetterFilter stats={stats} chosen={chosen} />}
        <OutcomeAt place={letterPlace} />
        {away && page === null ? (
          <Empty title="The dead letters cannot be read">They are stored in Redis; none is lost.</Empty>
        ) : error !== null ? (
          <div class="notice tone-bad" role="alert">
            <div class="notice-text">
              <p>The dead letters could not be read.</p>
              <ErrorText error={error} />
            </div>
            <Button onClick={reload}>Try again</Button>
          </div>
        ) : page === null || stats === null ? (
          <Loading lines={4} what="the dead letters" />
        ) : letters.length === 0 ? (
          isAny(chosen) && text === "" && stats.waiting > 0 ? (
            <Empty title={`${plural(stats.waiting, "bad record")} set aside`}>
              They appear in this list once their jobs have run. While the source is paused, these jobs wait.
            </Empty>
          ) : (isAny(chosen) && text === "") || stats.total === 0 ? (
            <Empty title="No dead letters">
              Batches and records that fail permanently are kept here until a person decides or a later run
              settles them.
            </Empty>
          ) : (
            <Empty title="None match">
              {page.cursor !== null && (
                <p>
                  <Button onClick={() => refine({ after: page.cursor ?? "", from: "0" })}>
                    Search older ones
                  </Button>
                </p>
              )}
              <Button onClick={clear}>Show all {count(stats.total)}</Button>
            </Empty>
          )
        ) : (
          <>
            {!searching && (
              <BulkBar
                selected={selected.size}
                onSelected={(action) => act(action, { ids: [...selected] })}
                onMatching={(action) => act(action, { matching: chosen })}
                matching={inWords(chosen)}
              />
            )}
            <LetterTable letters={letters} selected={selected} onSelect={setSelected} onOpen={setOpened} />
            <nav class="pager" aria-label="Pages of dead letters">
              <Button disabled={before === 0} onClick={() => refine({ after: "", from: "" })}>
                Newest
              </Button>
              <span class="muted">
                {count(before + 1)} to {count(before + letters.length)}, the newest first
              </span>
              <Button
                disabled={page.cursor === null}
                onClick={() => refine({ after: page.cursor ?? "", from: String(before + letters.length) })}
              >
                Older
              </Button>
            </nav>
          </>
        )}
        {opened !== null && (
          <LetterDialog
            id={opened}
            onClose={() => setOpened(null)}
            onAct={(action) => act(action, { ids: [opened] })}
          />
        )}
        {bulk && (
          <BulkDialog
            {...bulk}
            onClose={() => setBulk(null)}
            onDone={() => {
              setSelected(new Set());
              setOpened(null);
              reload();
            }}
          />
        )}
      </Panel>
    </>
  );
}

function Totals({ stats: { byState, waiting } }: { stats: DeadLetterStats }) {
  const parts = [
    waiting > 0 && `${count(waiting)} set aside`,
    byState.dead > 0 && `${count(byState.dead)} waiting for a person`,
    byState.replaying > 0 && `${count(byState.replaying)} replaying`,
    byState.accepted > 0 && `${count(byState.accepted)} accepted`,
  ].filter((part) => part !== false);
  return <span class={byState.dead + waiting > 0 ? "text-warn" : "muted"}>{parts.join(", ")}</span>;
}

/** Only providers close to the cap, at which they pause. */
function Caps({ stats }: { stats: DeadLetterStats }) {
  const near = stats.caps.filter(({ level }) => level !== "ok");
  if (near.length === 0) return null;
  return (
    <ul class="column caps">
      {near.map(({ provider, entries, maxEntries, share, level }) => (
        <li key={provider} class={`notice tone-${level === "full" ? "bad" : "warn"}`}>
          <p>
            <strong>{provider}</strong> has {count(entries)} of at most {count(maxEntries)} dead letters,{" "}
            {percent(share)}: {level === "full" ? "it pauses with the next one." : "at the cap it pauses."}{" "}
            Replay, accept or purge some.
          </p>
        </li>
      ))}
    </ul>
  );
}

const bulkActions: readonly (readonly [BulkAction, string])[] = [
  ["replay", "Replay"],
  ["accept", "Accept"],
  ["purge", "Purge"],
];

interface BarProps {
  selected: number;
  matching: string;
  onSelected: (action: BulkAction) => void;
  onMatching: (action: BulkAction) => void;
}

function BulkBar({ selected, matching, onSelected, onMatching }: BarProps) {
  const some = selected > 0;
  return (
    <fieldset class="row bulk" aria-label="Actions on dead letters">
      <span class="bulk-what" role="status">
        {some ? `${plural(selected, "letter")} selected` : "All that match"}
      </span>
      {bulkActions.map(([action, name]) => (
        <Button
          key={action}
          aria-label={some ? `${name} the selected letters` : `${name} all that match`}
          title={`${name} ${some ? "the selected letters" : `all letters ${matching}; the number is shown first`}`}
          onClick={() => (some ? onSelected(action) : onMatching(action))}
        >
          {name}
          {some ? "" : " all"}
        </Button>
      ))}
    </fieldset>
  );
}

const perPage = 20;

interface Reading {
  page: DeadLetterPage | null;
  stats: DeadLetterStats | null;
  error: ApiError | null;
  loading: boolean;
  /** Letters before this page. */
  before: number;
  reload(): void;
}

/**
 * Reads the page of dead letters that the address names and their totals, again when the filter or the fleet's count
 * changes. `version` changes with the fleet's dead letters; while it is null nothing is requested.
 */
function useLetters(version: string | null): Reading {
  const chosen = useChoice();
  const { after = "", from = "", text = "" } = useAddress().query;
  const [turn, setTurn] = useState(0);
  const page = `/api/dead-letters${query({ ...toFilter(chosen), text, limit: perPage, cursor: after })}`;
  const { answer, error, loading } = useGets<[DeadLetterPage, DeadLetterStats]>(
    [page, "/api/dead-letters/stats"],
    version === null ? null : `${version} ${turn}`,
  );
  return {
    ...{ page: answer?.[0] ?? null, stats: answer?.[1] ?? null, error, loading },
    before: after === "" ? 0 : Number(from) || 0,
    reload: useCallback(() => setTurn((now) => now + 1), []),
  };
}

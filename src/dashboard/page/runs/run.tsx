/** One run: what it came to, why, and everything that happened in it. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Run, RunStep, RunStory } from "../../api/schemas.ts";
import { count, duration, exactTime, plural, signed } from "../lib/figures.ts";
import { lookOf, runLookOf, wordOf } from "../lib/machineStates.ts";
import { useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { AnswerPanels } from "../ui/answer.tsx";
import { Button, Icon } from "../ui/icon.tsx";
import { Back, Empty, Fact, Moment, OpenedBy, Panel, Prose, StateBadge } from "../ui/parts.tsx";
import { useNow, useVersion } from "../ui/useStore.ts";

export function RunView({ id }: { id: string }) {
  const version = useVersion(({ openRun: own }) =>
    own?.runId === id ? [own.batchesDone, own.state, own.phase, own.retrying.length].join("/") : "",
  );
  const story = useGet<RunStory>(`/api/runs/${encodeURIComponent(id)}`, version);
  return (
    <>
      <Back to={href("runs")}>Runs</Back>
      <AnswerPanels id="run" title={id} of={story} loading={[6, "the run"]}>
        {(story) => (
          <>
            <Summary story={story} />
            <Timeline story={story} />
          </>
        )}
      </AnswerPanels>
    </>
  );
}

function Summary({ story: { run, previous } }: { story: RunStory }) {
  const reading = run.expected === null || run.state === "complete" ? "" : ` of ${count(run.expected)}`;
  return (
    <Panel id="run" title={`${run.kind === "replay" ? "Replay" : "Run"} of ${run.provider}`}>
      <p class="lead">
        <StateBadge state={run.state} look={runLookOf(run.state)} />{" "}
        {run.kind === "replay" ? "replays of dead letters" : `${run.mode} run`}, started{" "}
        <Moment at={run.startedAt} show="both" />, {run.endedAt === null ? "for" : "took"}{" "}
        {duration(run.durationMs)}
        <OpenedBy run={run} />
      </p>
      {run.error !== null && (
        <div class="notice tone-bad">
          <div class="notice-text">
            <p>
              <code>{run.error.code}</code> <Prose text={run.error.message} />
            </p>
            <p class="muted">
              <Prose text={run.error.remedy} />
            </p>
          </div>
        </div>
      )}
      {run.note !== null && <p class="muted">{run.note}</p>}
      {run.waiting !== null && <Waiting run={run} />}
      <dl class="facts">
        <Fact label="Fetched">
          {count(run.fetched)}
          {reading}
        </Fact>
        <Difference label="Created" run={run} previous={previous} pick={(one) => one.created} />
        <Difference label="Updated" run={run} previous={previous} pick={(one) => one.updated} />
        <Difference label="Unchanged" run={run} previous={previous} pick={(one) => one.unchanged} />
        <Difference label="Removed" run={run} previous={previous} pick={(one) => one.removed} />
        <Difference label="Dead-lettered" run={run} previous={previous} pick={(one) => one.deadLettered} />
        <Difference label="Requests" run={run} previous={previous} pick={(one) => one.requests} />
        <Fact label="Batches">
          {count(run.batchesDone)} of {count(run.batchesPlanned)}
          {run.pass > 1 && <span class="muted small"> in {run.pass} passes</span>}
        </Fact>
        <Fact label="Watermark">{run.watermark === null ? "none" : <Moment at={run.watermark} />}</Fact>
      </dl>
      {run.deadLettered > 0 && (
        <p class="muted small">Records with the same content share one dead letter.</p>
      )}
      <p class="row links">
        {previous !== null && <a href={href("runs", previous.runId)}>The run before</a>}
        {run.deadLettered > 0 && (
          <a href={href("dead-letters", null, { provider: run.provider, text: run.runId })}>
            Dead letters of this run
          </a>
        )}
        <a href={href("changes", null, { provider: run.provider })}>Changes of {run.provider}</a>
        <code class="muted clip">{run.runId}</code>
      </p>
    </Panel>
  );
}

function Waiting({ run: { waiting } }: { run: Run }) {
  const now = useNow();
  if (waiting === null) return null;
  const left = Date.parse(waiting.until) - now;
  return (
    <p class="muted">
      Waits: {waiting.reason} {left > 0 && `Goes on in ${duration(left)}.`}
    </p>
  );
}

interface DifferenceProps {
  label: string;
  run: Run;
  previous: Run | null;
  pick: (run: Run) => number;
}

/** A figure, and how it differs from the run before; an open run has not reached its figures yet. */
function Difference({ label, run, previous, pick }: DifferenceProps) {
  const change = previous === null || run.endedAt === null ? 0 : pick(run) - pick(previous);
  return (
    <Fact label={label}>
      {count(pick(run))}
      {change !== 0 && (
        <span class="muted small" title={`The run before: ${count(pick(run) - change)}`}>
          {" "}
          {signed(change)} to the run before
        </span>
      )}
    </Fact>
  );
}

/** Steps of one moment: a batch, a transition, or routine waits one after the other. */
interface Entry {
  first: RunStep;
  last: RunStep;
  many: number;
  /** How many failed with which code. */
  codes: Map<string, number>;
}

const isBadRecord = ({ kind, success, text }: RunStep): boolean =>
  kind === "batch" && !success && text.startsWith("bad/");

/**
 * Waits for the rate limit and for permits are the way of every run, and hundreds of bad records fail alike: such steps in a
 * row become one entry.
 */
function gathered(steps: readonly RunStep[]): Entry[] {
  const entries: Entry[] = [];
  for (const step of steps) {
    const before = entries.at(-1);
    const alike =
      before !== undefined &&
      (step.kind === "transition"
        ? step.routine && before.first.routine
        : isBadRecord(step)
          ? isBadRecord(before.first)
          : step.kind === "batch" &&
            !step.success &&
            !before.first.success &&
            step.code === before.first.code);
    const entry = alike ? before : { first: step, last: step, many: 0, codes: new Map<string, number>() };
    if (!alike) entries.push(entry);
    entry.last = step;
    entry.many++;
    const code = step.code ?? "no code";
    entry.codes.set(code, (entry.codes.get(code) ?? 0) + 1);
  }
  return entries;
}

function Timeline({ story }: { story: RunStory }) {
  const [most, setMost] = useState(100);
  const entries = gathered(story.steps);
  const current = story.steps.find(({ kind }) => kind === "transition");
  return (
    <Panel
      id="timeline"
      title="What happened"
      aside={story.truncated && <span class="muted">its beginning is no longer kept</span>}
    >
      {entries.length === 0 && story.run.retrying.length === 0 ? (
        <Empty title="Nothing yet">Batches, waits and retries appear here.</Empty>
      ) : (
        <ol class="rows rows-steps" aria-label="Steps of the run, the newest first">
          {story.run.retrying.map(({ batch, code, message, attempt, attempts, nextAt }) => (
            <Line
              key={batch}
              at={nextAt}
              badge={<Badge tone={attempt * 2 > attempts ? "warn" : "quiet"}>retry</Badge>}
            >
              <code>{batch}</code> failed {attempt} of {plural(attempts, "time")}, goes on{" "}
              <Moment at={nextAt} />: <code>{code}</code> <Prose text={message} />
            </Line>
          ))}
          {entries.slice(0, most).map((entry) => (
            <EntryLine
              key={`${entry.first.at}/${entry.first.text}`}
              entry={entry}
              settled={story.run.state === "complete"}
              holds={story.run.endedAt === null && entry.first === current}
            />
          ))}
        </ol>
      )}
      {entries.length > most && (
        <Button onClick={() => setMost(entries.length)}>Show all {count(entries.length)}</Button>
      )}
    </Panel>
  );
}

const Badge = ({ tone, children }: { tone: string; children: ComponentChildren }) => (
  <span class={`badge tone-${tone}`}>{children}</span>
);

const Line = ({
  at,
  badge,
  children,
}: {
  at: string;
  badge: ComponentChildren;
  children: ComponentChildren;
}) => (
  <li>
    <span class="muted" title={exactTime(Date.parse(at))}>
      <Moment at={at} show="clock" />
    </span>
    {badge}
    <span class="row-text">{children}</span>
  </li>
);

interface EntryProps {
  entry: Entry;
  /** The run ended complete: what was given up in it was stored, settled or accepted since. */
  settled: boolean;
  /** The state that the provider is in now. */
  holds: boolean;
}

/** Amber and red stand for what a person can act on: neither for what is settled nor for a state that has passed. */
function EntryLine({ entry: { first, last, many, codes }, settled, holds }: EntryProps) {
  const lost = settled ? "given up, settled since: " : "given up: ";
  if (many > 1 && first.kind === "batch") {
    return (
      <Line
        at={first.at}
        badge={
          <Badge tone={settled ? "quiet" : "bad"}>
            <Icon sign="cross" /> {count(many)} ×
          </Badge>
        }
      >
        {lost}
        {[...codes].map(([code, count], i) => (
          <span key={code}>
            {i > 0 && ", "}
            <code>{code}</code>
            {codes.size > 1 && ` ×${count}`}
          </span>
        ))}
        , the last <code>{first.text}</code>
      </Line>
    );
  }
  if (many > 1) {
    const ms = Date.parse(first.at) - Date.parse(last.at);
    return (
      <Line at={first.at} badge={<Badge tone="quiet">waits</Badge>}>
        <span class="muted">
          {plural(many, "step")} between work and routine waits in {duration(Math.max(0, ms))}
          {first.reason !== null && (
            <>
              , the last: <Prose text={first.reason} />
            </>
          )}
        </span>
      </Line>
    );
  }
  const { kind, at, text, success, records, code, actor, reason } = first;
  if (kind === "batch") {
    return (
      <Line
        at={at}
        badge={
          success ? (
            <Badge tone="quiet">
              <Icon sign="check" /> batch
            </Badge>
          ) : (
            <Badge tone={settled ? "quiet" : "bad"}>
              <Icon sign="cross" /> batch
            </Badge>
          )
        }
      >
        <code>{text}</code> {success ? `${plural(records ?? 0, "record")} committed` : lost}
        {!success && <code>{code ?? "no code"}</code>}
      </Line>
    );
  }
  return (
    <Line
      at={at}
      badge={
        kind === "transition" ? (
          <StateBadge
            state={wordOf(text)}
            look={{ ...lookOf(text), ...(holds ? {} : { tone: "quiet" as const }) }}
          />
        ) : (
          <Badge tone="quiet">breaker {text}</Badge>
        )
      }
    >
      by {actor}
      {reason !== null && (
        <>
          : <Prose text={reason} />
        </>
      )}
    </Line>
  );
}

/** One provider of the tree: state, reason, progress and actions. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Action, OverviewProvider, Run } from "../../api/schemas.ts";
import { count, duration, exactTime, percent, plural, rate, rough } from "../lib/figures.ts";
import { runLookOf, situationOf } from "../lib/machineStates.ts";
import { providerPlace } from "../live/actions.ts";
import { changesText } from "../runs/runs.tsx";
import { href } from "../state/address.ts";
import { Icon } from "../ui/icon.tsx";
import { OutcomeAt } from "../ui/notices.tsx";
import { Bar, Fact, Moment, OpenedBy, Prose, StateBadge } from "../ui/parts.tsx";
import { useNow } from "../ui/useStore.ts";
import { ActionDialog } from "./actionDialog.tsx";
import { Checkpoints } from "./checkpoints.tsx";
import { RunStrip } from "./runStrip.tsx";
import { Spark } from "./spark.tsx";

const actionNames: readonly { action: Action; name: string; key: string }[] = [
  { action: "start", name: "Start", key: "s" },
  { action: "pause", name: "Pause", key: "p" },
  { action: "resume", name: "Resume", key: "r" },
  { action: "stop", name: "Stop", key: "x" },
];

interface SourceProps {
  provider: OverviewProvider;
  /** Records a second over the last day; null before they are read. */
  pace: readonly (number | null)[] | null;
}

export function Source({ provider, pace }: SourceProps) {
  const { provider: name, machine, openRun, lastRun, lastReplay, records, verified, verifiedAt } = provider;
  const [asked, setAsked] = useState<Action | null>(null);
  const [open, setOpen] = useState(false);
  const detailsId = `details-${name}`;
  return (
    <li>
      <article
        class="source"
        id={`provider-${name}`}
        data-provider={name}
        tabIndex={-1}
        aria-labelledby={`name-${name}`}
      >
        <header class="source-row">
          <h3 id={`name-${name}`}>{name}</h3>
          <SourceState provider={provider} />
          <p class="source-records">
            <strong>{count(records)}</strong> <span class="muted small">records</span>
          </p>
          <p class="source-fresh">
            {verified && verifiedAt !== null ? (
              <>
                verified <Moment at={verifiedAt} />
              </>
            ) : (
              <span class="muted">never verified</span>
            )}
          </p>
          <span class="spark-place">{pace && <Spark provider={name} values={pace} />}</span>
          <RunStrip provider={name} />
          <fieldset class="actions" aria-label={`Actions on ${name}`}>
            {actionNames
              .filter(({ action }) => provider.actions.includes(action))
              .map(({ action, name: label, key }) => (
                <button
                  key={action}
                  type="button"
                  class={`button button-small${action === "resume" ? " button-main" : ""}`}
                  data-key={key}
                  title={`${label} ${name} (${key})`}
                  aria-label={`${label} ${name}`}
                  onClick={() => setAsked(action)}
                >
                  {label}
                </button>
              ))}
          </fieldset>
          <button
            type="button"
            class="button button-plain button-icon source-more"
            aria-expanded={open}
            aria-controls={open ? detailsId : undefined}
            aria-label={`Details of ${name}`}
            title={`Details of ${name}`}
            onClick={() => setOpen(!open)}
          >
            <Icon sign="chevron" />
          </button>
        </header>
        <Why provider={provider} />
        {openRun && <RunProgress provider={provider} run={openRun} />}
        {openRun && <Retries run={openRun} />}
        {!openRun && lastRun?.error && !provider.lastRunSettled && <LastError run={lastRun} />}
        {open && (
          <div class="column source-details" id={detailsId}>
            <Facts provider={provider} />
            {lastRun ? (
              <LastRun run={lastRun} settled={provider.lastRunSettled}>
                {lastReplay !== null && isLater(lastReplay, lastRun) && <LastRun run={lastReplay} />}
              </LastRun>
            ) : (
              <p class="muted">It has never run.</p>
            )}
            <p class="row links">
              <a href={href("runs", null, { provider: name })}>Runs of {name}</a>
              <a href={href("changes", null, { provider: name })}>Changes of {name}</a>
              <a href={href("history", null, { show: name })}>History of {name}</a>
            </p>
            <Checkpoints provider={name} version={machine.version} />
          </div>
        )}
        <OutcomeAt place={providerPlace(name)} />
        {asked && <ActionDialog action={asked} provider={provider} onClose={() => setAsked(null)} />}
      </article>
    </li>
  );
}

/** In words of people; the machine's own state, since when and by whom are in the title. */
function SourceState({ provider }: { provider: OverviewProvider }) {
  const { machine } = provider;
  const { word, look } = situationOf(provider);
  const by = machine.actor === null ? "" : ` by ${machine.actor}`;
  const since = machine.since === null ? "" : ` Since ${exactTime(Date.parse(machine.since))}${by}.`;
  return <StateBadge state={word} look={{ ...look, means: `${machine.state}: ${look.means}${since}` }} />;
}

const isHeld = ({ state }: OverviewProvider["machine"]): boolean =>
  state === "PAUSED" || state.startsWith("WAITING");

/** The full reason of the state: it names what an operator must correct. */
function Why({ provider: { machine, openRun } }: { provider: OverviewProvider }) {
  const now = useNow();
  if (!isHeld(machine)) return null;
  // Only an operator ends a pause: the run's earlier wait is irrelevant.
  const waiting = machine.state === "PAUSED" ? null : (openRun?.waiting ?? null);
  const until = machine.until ?? waiting?.until ?? null;
  const reason = machine.reason ?? waiting?.reason ?? null;
  const left = until === null ? null : Date.parse(until) - now;
  const isPaused = machine.state === "PAUSED";
  return (
    <p class={`why ${isPaused ? "text-bad" : "muted"}`}>
      {isPaused && machine.since !== null && (
        <>
          Paused <Moment at={machine.since} show="both" />
          {machine.actor !== null && ` by ${machine.actor}`}.{" "}
        </>
      )}
      <Prose text={reason ?? (isPaused ? "No reason was given." : "Waiting.")} />
      {left !== null && left > 0 && <strong> Goes on in {duration(left)}.</strong>}
    </p>
  );
}

/** Failed batches that are retried: an operator may correct the cause in time. */
function Retries({ run }: { run: Run }) {
  const now = useNow();
  return (
    <>
      {run.retrying.slice(0, 3).map(({ batch, code, message, attempt, attempts, nextAt }) => {
        const left = Date.parse(nextAt) - now;
        return (
          <p class={`why ${attempt * 2 > attempts ? "text-warn" : "muted"}`} key={batch}>
            {batch}: {code}: <Prose text={message} /> Attempt {attempt} of {attempts},{" "}
            {left > 0 ? `next in ${duration(left)}` : "the next is under way or waits for its turn"}.
          </p>
        );
      })}
    </>
  );
}

function Facts({ provider }: { provider: OverviewProvider }) {
  const { watermark, edition, lastCheckpoint, nextRun, deadLetters, reconciled } = provider;
  const paused = provider.machine.state === "PAUSED";
  const name = provider.provider;
  return (
    <dl class="facts">
      <Fact label="Watermark" hint="Upstream time up to which the mirror is verified complete">
        {watermark === null ? "none" : <Moment at={watermark} />}
      </Fact>
      {edition !== null && (
        <Fact label="Edition" hint="The one that the mirror holds, as the source names it">
          {edition.name}
        </Fact>
      )}
      {reconciled !== null && (
        <Fact
          label="Official feeds"
          tone={reconciled.unexplained > 0 ? "warn" : undefined}
          hint={`Compared with the feeds of ${reconciled.asOf}`}
        >
          {count(reconciled.equal)} of {count(reconciled.checked)} equal, <Moment at={reconciled.at} />
        </Fact>
      )}
      <Fact label="Dead letters" tone={deadLetters.entries > 0 ? "warn" : undefined}>
        {deadLetters.entries === 0 ? (
          "0"
        ) : (
          <a href={href("dead-letters", null, { provider: name })}>{count(deadLetters.entries)}</a>
        )}
      </Fact>
      <Fact label="Next run" hint={paused ? "Its schedule does nothing while it is paused" : undefined}>
        {nextRun === null ? (
          "none planned"
        ) : (
          <span class={paused ? "muted" : undefined}>
            {paused ? "held" : <Moment at={nextRun.at} />}, {nextRun.mode}
          </span>
        )}
      </Fact>
      <Fact label="Last checkpoint" hint={lastCheckpoint ?? undefined}>
        {lastCheckpoint === null ? "none" : <code class="clip">{lastCheckpoint.split("::").at(-1)}</code>}
      </Fact>
    </dl>
  );
}

const isLater = (one: Run, other: Run): boolean =>
  Date.parse(one.endedAt ?? one.startedAt) >= Date.parse(other.endedAt ?? other.startedAt);

/** Why the last run fell short, and the way to all of it. */
const LastError = ({ run }: { run: Run }) => (
  <p class="why text-bad">
    <a href={href("runs", run.runId)}>Last run {run.state}</a>
    {run.error !== null && (
      <>
        : <code>{run.error.code}</code> <Prose text={run.error.message} />{" "}
        <span class="muted">
          <Prose text={run.error.remedy} />
        </span>
      </>
    )}
  </p>
);

/** The last run in words, and what followed it. */
function LastRun({
  run,
  settled = false,
  children,
}: {
  run: Run;
  settled?: boolean;
  children?: ComponentChildren;
}) {
  const changes = [changesText(run), run.unchanged > 0 && `${count(run.unchanged)} unchanged`].filter(
    Boolean,
  );
  const look = runLookOf(run.state);
  return (
    <div class="column last-run">
      <p>
        <a href={href("runs", run.runId)}>{run.kind === "replay" ? "Replays since" : "Last run"}</a>{" "}
        <StateBadge state={run.state} look={settled ? { ...look, tone: "quiet" } : look} />{" "}
        <span class="muted">
          {run.endedAt !== null && <Moment at={run.endedAt} />}: {run.kind === "ordinary" && `${run.mode}, `}
          {changes.length > 0 ? changes.join(", ") : "no changes"}, {plural(run.requests, "request")},{" "}
          {duration(run.durationMs)}
          <OpenedBy run={run} />
        </span>
      </p>
      {run.error && settled && (
        <p class="muted">
          <code>{run.error.code}</code> <Prose text={run.error.message} /> Its dead letters are settled; the
          next run verifies.
        </p>
      )}
      {children}
    </div>
  );
}

const phases: Readonly<Record<Run["phase"], string>> = {
  planning: "planning",
  loading: "loading",
  removing: "removing withdrawn records",
  verifying: "verifying",
  closed: "closing",
};

/** Progress in records. */
function RunProgress({ provider, run }: { provider: OverviewProvider; run: Run }) {
  const { progress, machine } = provider;
  const share = progress?.share ?? null;
  const moving = !isHeld(machine);
  const of =
    run.expected === null
      ? plural(run.fetched, "record")
      : `${count(run.fetched)} of ${plural(run.expected, "record")}`;
  const done = share === null ? of : `${of}, ${percent(share)}`;
  // A wait for the rate limit is the way of a run: its rate and the time left hold all the same.
  const held = machine.state === "PAUSED";
  const pace = !held && progress?.perSecond != null ? `${rate(progress.perSecond, "records")}` : null;
  const left = !held && progress?.remainingMs != null ? `${rough(progress.remainingMs)} left` : null;
  const said = [done, pace, left].filter((text) => text !== null).join(", ");
  return (
    <div class="row run-line">
      <Bar
        role="progressbar"
        share={share}
        label={`Progress of ${provider.provider}`}
        text={said}
        tone={moving ? "active" : "quiet"}
      />
      <span class="row run-figures">
        <strong>{done}</strong>
        {pace !== null && <span>{pace}</span>}
        {left !== null && <span>{left}</span>}
      </span>
      <RunDetails provider={provider} run={run} />
    </div>
  );
}

/** The phase of the run and its details. */
function RunDetails({ provider: { permits, jobs }, run }: { provider: OverviewProvider; run: Run }) {
  const now = useNow();
  return (
    <p class="muted small run-details">
      <a href={href("runs", run.runId)}>
        {run.kind === "replay" ? "replays of dead letters" : `${run.mode} run`}
      </a>
      , {phases[run.phase]}
      {run.pass > 1 && `, pass ${run.pass} (the upstream moved)`}, batch {count(run.batchesDone)} of{" "}
      {count(run.batchesPlanned)}, {plural(permits.held, "permit")}
      {permits.waiting > 0 && `, ${permits.waiting} waiting`}
      {permits.askedBack > 0 && `, ${permits.askedBack} asked back`}
      {jobs.delayed > 0 && `, ${plural(jobs.delayed, "batch", "batches")} delayed`},{" "}
      {plural(run.requests, "request")}
      {run.deadLettered > 0 && `, ${plural(run.deadLettered, "record")} dead-lettered`}, for{" "}
      <span title={exactTime(Date.parse(run.startedAt))}>
        {duration(Math.max(0, now - Date.parse(run.startedAt)))}
      </span>
      <OpenedBy run={run} />
    </p>
  );
}

/** One provider of the tree: state, reason, progress and actions. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Action, OverviewProvider, Run } from "../../api/schemas.ts";
import { anyLetter, choose } from "../deadletters/filter.tsx";
import { count, duration, exactTime, percent, plural, rate, rough } from "../lib/figures.ts";
import { runLookOf } from "../lib/machineStates.ts";
import { providerPlace } from "../live/actions.ts";
import { OutcomeAt } from "../ui/notices.tsx";
import { Bar, Fact, Moment, OpenedBy, StateBadge } from "../ui/parts.tsx";
import { jumpTo } from "../ui/shortcuts.ts";
import { useNow } from "../ui/useStore.ts";
import { ActionDialog } from "./actionDialog.tsx";
import { ProviderPast } from "./past.tsx";

const actionNames: readonly { action: Action; name: string; key: string }[] = [
  { action: "start", name: "Start", key: "s" },
  { action: "pause", name: "Pause", key: "p" },
  { action: "resume", name: "Resume", key: "r" },
  { action: "stop", name: "Stop", key: "x" },
];

export function Provider({ provider }: { provider: OverviewProvider }) {
  const { provider: name, machine, openRun, lastRun, lastReplay } = provider;
  const [asked, setAsked] = useState<Action | null>(null);
  return (
    <li class="branch">
      <article
        class="column provider"
        id={`provider-${name}`}
        data-provider={name}
        tabIndex={-1}
        aria-labelledby={`name-${name}`}
      >
        <header class="row provider-head">
          <h3 id={`name-${name}`}>{name}</h3>
          <StateBadge state={machine.state} />
          <Since provider={provider} />
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
        </header>
        <Why provider={provider} />
        {openRun && <Retries run={openRun} />}
        {openRun && <RunProgress provider={provider} run={openRun} />}
        <Facts provider={provider} />
        <ProviderPast provider={name} version={machine.version}>
          {openRun ? (
            <RunDetails provider={provider} run={openRun} />
          ) : lastRun ? (
            <LastRun run={lastRun} settled={provider.lastRunSettled}>
              {lastReplay !== null && isLater(lastReplay, lastRun) && <LastRun run={lastReplay} />}
            </LastRun>
          ) : (
            <p class="muted">It has never run.</p>
          )}
        </ProviderPast>
        <OutcomeAt place={providerPlace(name)} />
        {asked && <ActionDialog action={asked} provider={provider} onClose={() => setAsked(null)} />}
      </article>
    </li>
  );
}

const isHeld = ({ state }: OverviewProvider["machine"]): boolean =>
  state === "PAUSED" || state.startsWith("WAITING");

function Since({ provider: { machine } }: { provider: OverviewProvider }) {
  if (machine.since === null) return null;
  return (
    <span class="muted since">
      since <Moment at={machine.since} show="both" />
      {machine.actor !== null && ` by ${machine.actor}`}
      {!isHeld(machine) && machine.reason !== null && `: ${machine.reason}`}
    </span>
  );
}

/** The full reason of the state: it names what an operator must correct. */
function Why({ provider: { machine, openRun } }: { provider: OverviewProvider }) {
  const now = useNow();
  if (!isHeld(machine)) return null;
  // Only an operator ends a pause: the run's earlier wait is irrelevant.
  const waiting = machine.state === "PAUSED" ? null : (openRun?.waiting ?? null);
  const until = machine.until ?? waiting?.until ?? null;
  const reason = machine.reason ?? waiting?.reason ?? null;
  const left = until === null ? null : Date.parse(until) - now;
  return (
    <p class={`why ${machine.state === "PAUSED" ? "text-bad" : "text-warn"}`}>
      {reason ?? (machine.state === "PAUSED" ? "No reason was given." : "Waiting.")}
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
          <p class="why text-warn" key={batch}>
            {batch}: {code}: {message} Attempt {attempt} of {attempts},{" "}
            {left > 0 ? `next in ${duration(left)}` : "the next is under way or waits for its turn"}.
          </p>
        );
      })}
    </>
  );
}

function Facts({ provider }: { provider: OverviewProvider }) {
  const {
    verified,
    verifiedAt,
    watermark,
    edition,
    records,
    lastCheckpoint,
    nextRun,
    deadLetters,
    reconciled,
  } = provider;
  const paused = provider.machine.state === "PAUSED";
  const name = provider.provider;
  const showLetters = (): void => {
    choose({ ...anyLetter, provider: name });
    jumpTo("dead-letters");
  };
  return (
    <dl class="facts">
      <Fact
        label="Verified"
        tone={verified ? undefined : "warn"}
        hint="When the mirror was last known to be complete"
      >
        {verified && verifiedAt !== null ? <Moment at={verifiedAt} /> : "never"}
      </Fact>
      <Fact label="Watermark" hint="Upstream time up to which the mirror is verified complete">
        {watermark === null ? "none" : <Moment at={watermark} />}
      </Fact>
      {edition !== null && (
        <Fact label="Edition" hint="The one that the mirror holds, as the source names it">
          {edition.name}
        </Fact>
      )}
      <Fact label="Records">{count(records)}</Fact>
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
          <button type="button" class="link" title={`Show the dead letters of ${name}`} onClick={showLetters}>
            {count(deadLetters.entries)}
          </button>
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
  const changes = [
    run.created > 0 && `${count(run.created)} created`,
    run.updated > 0 && `${count(run.updated)} updated`,
    run.removed > 0 && `${count(run.removed)} removed`,
    run.unchanged > 0 && `${count(run.unchanged)} unchanged`,
    run.deadLettered > 0 && `${count(run.deadLettered)} dead-lettered`,
  ].filter((text) => text !== false);
  return (
    <div class="column last-run">
      <p>
        <span class="muted">{run.kind === "replay" ? "Replays since" : "Last run"}</span>{" "}
        <StateBadge state={run.state} look={runLookOf(run.state)} />{" "}
        <span class="muted">
          {run.endedAt !== null && <Moment at={run.endedAt} />}: {run.kind === "ordinary" && `${run.mode}, `}
          {changes.length > 0 ? changes.join(", ") : "no changes"}, {plural(run.requests, "request")},{" "}
          {duration(run.durationMs)}
          <OpenedBy run={run} />
        </span>
      </p>
      {run.error && (
        <p class="last-error">
          <code>{run.error.code}</code> {run.error.message}{" "}
          <span class="muted">
            {settled ? "Its dead letters are settled; the next run verifies." : run.error.remedy}
          </span>
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
  const moving = machine.state === "RUNNING";
  const of =
    run.expected === null
      ? plural(run.fetched, "record")
      : `${count(run.fetched)} of ${plural(run.expected, "record")}`;
  const done = share === null ? of : `${of}, ${percent(share)}`;
  const pace = moving && progress?.perSecond != null ? `${rate(progress.perSecond, "records")}` : null;
  const left = moving && progress?.remainingMs != null ? `${rough(progress.remainingMs)} left` : null;
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
    </div>
  );
}

/** The phase of the run and its details. */
function RunDetails({ provider: { permits, jobs }, run }: { provider: OverviewProvider; run: Run }) {
  const now = useNow();
  return (
    <p class="muted run-details">
      {run.kind === "replay" ? "replays of dead letters" : run.mode}, {phases[run.phase]}
      {run.pass > 1 && `, pass ${run.pass} (the upstream moved)`}, batch {count(run.batchesDone)} of{" "}
      {count(run.batchesPlanned)}, {plural(permits.held, "permit")}
      {permits.waiting > 0 && `, ${permits.waiting} waiting`}
      {permits.askedBack > 0 && `, ${permits.askedBack} asked back`}
      {jobs.delayed > 0 && `, ${plural(jobs.delayed, "batch", "batches")} delayed`},{" "}
      {plural(run.requests, "request")}
      {run.deadLettered > 0 && <span class="text-warn">, {count(run.deadLettered)} dead-lettered</span>}, for{" "}
      <span title={exactTime(Date.parse(run.startedAt))}>
        {duration(Math.max(0, now - Date.parse(run.startedAt)))}
      </span>
      <OpenedBy run={run} />
    </p>
  );
}

/** What the page tells beside its data: whether it is current, what needs a person, and how an action ended. */
import type { ApiError } from "../../api/schemas.ts";
import { duration, rough } from "../lib/figures.ts";
import { retryNow } from "../session/session.ts";
import { needsOf } from "../state/attention.ts";
import { forget, outcomes } from "../state/page.ts";
import { Button, Icon, IconButton } from "./icon.tsx";
import { Moment, Prose } from "./parts.tsx";
import { useNow, usePage, useStore } from "./useStore.ts";

/** What needs attention, or that nothing does. */
export function Attention() {
  const fleet = usePage((state) => state.fleet);
  const needs = needsOf(fleet);
  if (fleet.overview === null) return null;
  return (
    <section class="attention" aria-label="What needs a person">
      {needs.length === 0 ? (
        <p class="attention-none muted">
          <Icon sign="check" /> Nothing needs you.
        </p>
      ) : (
        <div role="status">
          <ul>
            {needs.map(({ tone, head, text, target }) => (
              <li key={`${target}/${head}`} class={`need tone-${tone}`}>
                <Icon sign={tone === "bad" ? "cross" : "alert"} />
                <a href={target}>{head}</a>
                <span class="need-text">
                  <Prose text={text} />
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

/** Age of the data, ms; 0 before the first data. */
function useAge(): number {
  const now = useNow();
  const { heardAt, skewMs } = usePage(({ link }) => link);
  return heardAt === null ? 0 : Math.max(0, now - skewMs - heardAt);
}

export function LiveSign() {
  const phase = usePage(({ link }) => link.phase);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const age = useAge();
  if (phase === "live" && away) return <span class="live tone-bad">Redis away</span>;
  if (phase === "live") {
    return (
      <span class="live tone-good" title="Events arrive every second">
        <span class="live-dot" />
        Live
      </span>
    );
  }
  if (phase === "connecting") return <span class="live tone-quiet">Connecting …</span>;
  return (
    <span class="live tone-warn">
      {phase === "lost" ? "Not connected" : "Stale"}, {rough(age)} old
    </span>
  );
}

/** Why and since when the page below is dimmed. Hidden while the connection works. */
export function LineBanner() {
  const phase = usePage(({ link }) => link.phase);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const cut = phase === "lost" || phase === "stale";
  const said = cut ? "The page is stale: no events arrive." : away ? "Redis does not answer." : "";
  return (
    <>
      {/* Announced once, not with every second of the countdown. */}
      <p class="visually-hidden" role="status">
        {said}
      </p>
      {cut ? <CutBanner lost={phase === "lost"} /> : phase === "live" && away && <RedisBanner />}
    </>
  );
}

function CutBanner({ lost }: { lost: boolean }) {
  const { heardAt, nextTryAt, tries, skewMs } = usePage(({ link }) => link);
  const now = useNow();
  const left = nextTryAt === null ? 0 : nextTryAt - (now - skewMs);
  return (
    <section class="banner tone-warn" aria-label="Connection">
      <div class="frame">
        <Icon sign="alert" />
        <p class="banner-text">
          <strong>{lost ? "No connection to the server." : "No events arrive from the server."}</strong>
          {heardAt !== null && (
            <>
              {" "}
              What you see is from <Moment at={heardAt + skewMs} show="clock" />.
            </>
          )}
          {lost && (left > 900 ? ` Next try in ${duration(left)}` : " Trying …")}
          {lost && tries > 1 && `, tried ${tries} times`}
        </p>
        {lost && <Button onClick={retryNow}>Try now</Button>}
      </div>
    </section>
  );
}

function RedisBanner() {
  const trouble = usePage(({ fleet }) => fleet.trouble);
  const hasData = usePage(({ fleet }) => fleet.overview !== null);
  if (trouble === null) return null;
  return (
    <section class="banner tone-bad" aria-label="Redis">
      <div class="frame">
        <Icon sign="cross" />
        <p class="banner-text">
          <strong>Redis does not answer</strong>, since <Moment at={trouble.since} show="both" />.{" "}
          {hasData && "This data is outdated. "}
          Runs go on by themselves when it is back; nothing committed is lost.
          {trouble.message !== null && (
            <span class="banner-cause muted">
              {trouble.code !== null && <code>{trouble.code}</code>} {trouble.message}
            </span>
          )}
        </p>
      </div>
    </section>
  );
}

/** The place for the result of an action: beside its subject, announced, until it is dismissed or replaced. */
export function OutcomeAt({ place }: { place: string }) {
  const outcome = useStore(outcomes, (all) => all[place]);
  return (
    // Always rendered: its contents are announced when they appear.
    <div class="outcome-place" role={outcome?.done === false ? "alert" : "status"}>
      {outcome && (
        <div class={`notice ${outcome.done ? "tone-good" : "tone-bad"}`}>
          <Icon sign={outcome.done ? "check" : "cross"} />
          <div class="notice-text">
            <p>{outcome.text}</p>
            {outcome.error && <ErrorText error={outcome.error} />}
          </div>
          <IconButton sign="close" label="Dismiss this message" onClick={() => forget(place)} />
        </div>
      )}
    </div>
  );
}

/** The API's error in full: what happened, what would allow it, the remedy. */
export function ErrorText({ error }: { error: ApiError }) {
  return (
    <div class="error-text">
      <p>
        <code>{error.code}</code> <Prose text={error.message} />
      </p>
      {error.fields?.map(({ field, problem }) => (
        <p key={field}>
          <code>{field}</code> {problem}
        </p>
      ))}
      {error.allowed && error.allowed.length > 0 && (
        <p>States that would allow it: {error.allowed.join(", ")}.</p>
      )}
      <p class="muted">
        <Prose text={error.remedy} />
      </p>
    </div>
  );
}

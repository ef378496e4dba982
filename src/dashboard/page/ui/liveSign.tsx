/** Whether the page is current: always in the top line, and as a banner if it is not. */
import { duration, rough } from "../lib/figures.ts";
import { retryNow } from "../session/session.ts";
import { Icon } from "./icon.tsx";
import { Moment } from "./parts.tsx";
import { useNow, usePage } from "./useStore.ts";

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
      <Icon sign="alert" />
      <p class="banner-text">
        <strong>{lost ? "No connection to the server." : "The worker has missed heartbeats."}</strong>
        {heardAt !== null && (
          <>
            {" "}
            What you see is from <Moment at={heardAt + skewMs} show="clock" />.
          </>
        )}
        {lost && (left > 900 ? ` Next try in ${duration(left)}` : " Trying …")}
        {lost && tries > 1 && `, tried ${tries} times`}
      </p>
      {lost && (
        <button type="button" class="button button-small" onClick={retryNow}>
          Try now
        </button>
      )}
    </section>
  );
}

function RedisBanner() {
  const trouble = usePage(({ fleet }) => fleet.trouble);
  const hasData = usePage(({ fleet }) => fleet.overview !== null);
  if (trouble === null) return null;
  return (
    <section class="banner tone-bad" aria-label="Redis">
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
    </section>
  );
}

/** Circuit breakers, one per upstream: state, last failure, and the button that closes one. */
import { useState } from "preact/hooks";
import type { Breaker } from "../../api/schemas.ts";
import { duration, plural } from "../lib/figures.ts";
import type { Look } from "../lib/machineStates.ts";
import { breakersPlace } from "../live/actions.ts";
import { OutcomeAt } from "../ui/outcome.tsx";
import { Empty, Loading, Moment, Panel, StateBadge } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";
import { ResetBreakerDialog } from "./resetBreakerDialog.tsx";

const looks: Readonly<Record<Breaker["state"], Look>> = {
  closed: { tone: "good", sign: "check", means: "Calls go through." },
  half_open: { tone: "warn", sign: "half", means: "One process tries for all whether the upstream is well." },
  open: { tone: "bad", sign: "cross", means: "No request is sent to this upstream until the wait is over." },
};

export function Breakers() {
  const breakers = usePage(({ fleet }) => fleet.breakers);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const [resetting, setResetting] = useState<string | null>(null);
  const notClosed = (breakers ?? []).filter(({ state }) => state !== "closed").length;
  return (
    <Panel
      id="breakers"
      title="Circuit breakers"
      busy={breakers === null}
      aside={
        breakers !== null && (
          <span class={notClosed === 0 ? "muted" : "text-warn"}>
            {notClosed === 0 ? "all closed" : `${notClosed} not closed`}
          </span>
        )
      }
    >
      {breakers !== null ? (
        <ul class="rows" aria-label="Circuit breakers">
          {breakers.map((breaker) => (
            <Line key={breaker.upstream} breaker={breaker} onReset={() => setResetting(breaker.upstream)} />
          ))}
        </ul>
      ) : away ? (
        <Empty title="Breakers cannot be seen">They lie in Redis.</Empty>
      ) : (
        <Loading lines={2} what="the circuit breakers" />
      )}
      <OutcomeAt place={breakersPlace} />
      {resetting !== null && <ResetBreakerDialog upstream={resetting} onClose={() => setResetting(null)} />}
    </Panel>
  );
}

function Line({ breaker, onReset }: { breaker: Breaker; onReset: () => void }) {
  const { upstream, state, until, probe, consecutiveFailures, lastFailure, opens } = breaker;
  const now = useNow();
  const leftMs = until === null ? 0 : Math.max(0, Date.parse(until) - now);
  return (
    <li>
      <StateBadge state={state.replace("_", " ")} look={looks[state]} />
      <span class="row-main">
        <strong>{upstream}</strong>
        {state === "open" &&
          (leftMs > 0 ? `, tried again in ${duration(leftMs)}` : ", tried with the next call")}
        {probe !== null && `, ${probe.by} tries`}
      </span>
      {state === "closed" ? (
        <span class="muted row-end">
          {consecutiveFailures > 0
            ? `${plural(consecutiveFailures, "failure")} in a row`
            : opens > 0
              ? `opened ${plural(opens, "time")} so far`
              : "never opened"}
        </span>
      ) : (
        <span class="row-end">
          <button type="button" class="button button-small" onClick={onReset}>
            Close {upstream}
          </button>
        </span>
      )}
      {state !== "closed" && lastFailure !== null && (
        <span class="row-note muted">
          {lastFailure.code}, <Moment at={lastFailure.at} />: {lastFailure.message}
        </span>
      )}
    </li>
  );
}

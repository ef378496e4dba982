/** Circuit breakers, one per upstream: state, last failure, and the button that closes one. */
import { useState } from "preact/hooks";
import type { Breaker } from "../../api/schemas.ts";
import { duration, plural } from "../lib/figures.ts";
import { type Look, look } from "../lib/machineStates.ts";
import { breakersPlace, resetBreaker } from "../live/actions.ts";
import { Dialog, Question, ReasonField } from "../ui/dialog.tsx";
import { Button } from "../ui/icon.tsx";
import { OutcomeAt } from "../ui/notices.tsx";
import { DataPanel, Moment, Prose, StateBadge } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";

const looks: Readonly<Record<Breaker["state"], Look>> = {
  closed: look("good", "check", "Calls go through."),
  half_open: look("quiet", "half", "One process sends a test request for the whole fleet."),
  open: look("bad", "cross", "No request is sent to this upstream until the wait is over."),
};

export function Breakers() {
  const breakers = usePage(({ fleet }) => fleet.breakers);
  const [resetting, setResetting] = useState<string | null>(null);
  return (
    <DataPanel
      id="breakers"
      title="Circuit breakers"
      data={breakers}
      loading={[2, "the circuit breakers"]}
      away={["The breakers cannot be read", "They are stored in Redis."]}
      aside={(all) => {
        const notClosed = all.filter(({ state }) => state !== "closed").length;
        if (notClosed === 0) return <span class="muted">all closed</span>;
        const isOpen = all.some(({ state }) => state === "open");
        return <span class={isOpen ? "text-warn" : "muted"}>{notClosed} not closed</span>;
      }}
      after={
        <>
          <OutcomeAt place={breakersPlace} />
          {resetting !== null && <ResetDialog upstream={resetting} onClose={() => setResetting(null)} />}
        </>
      }
    >
      {(all) => (
        <ul class="rows" aria-label="Circuit breakers">
          {all.map((breaker) => (
            <Line key={breaker.upstream} breaker={breaker} onReset={() => setResetting(breaker.upstream)} />
          ))}
        </ul>
      )}
    </DataPanel>
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
        {probe !== null && `, ${probe.by} sends a test request`}
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
          <Button aria-label={`Close the breaker of ${upstream}`} onClick={onReset}>
            Close
          </Button>
        </span>
      )}
      {state !== "closed" && lastFailure !== null && (
        <span class="row-note muted">
          <code>{lastFailure.code}</code>, <Moment at={lastFailure.at} />:{" "}
          <Prose text={lastFailure.message} />
        </span>
      )}
    </li>
  );
}

function ResetDialog({ upstream, onClose }: { upstream: string; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const reset = async () => void (await resetBreaker(upstream, reason));
  return (
    <Dialog title={`Close the breaker of ${upstream}`} onClose={onClose}>
      <Question onClose={onClose} yes="Close the breaker" onYes={reset}>
        <p class="notice tone-warn" role="status">
          Every worker may call {upstream} again at once. If calls go on failing, it opens again after five in
          a row.
        </p>
        <ReasonField reason={reason} onReason={setReason} focus="at first" />
      </Question>
    </Dialog>
  );
}

/** The pool: use, holders, waiters and size. */
import { useState } from "preact/hooks";
import type { Permits as PermitsView } from "../../api/schemas.ts";
import { duration, plural, rough } from "../lib/figures.ts";
import { permitsPlace } from "../live/actions.ts";
import { OutcomeAt } from "../ui/outcome.tsx";
import { Bar, Empty, Loading, Moment, Panel } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";
import { ResizeDialog } from "./resizeDialog.tsx";

export function Permits() {
  const permits = usePage(({ fleet }) => fleet.permits);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const [resizing, setResizing] = useState(false);
  return (
    <Panel
      id="permits"
      title="Permits"
      busy={permits === null}
      aside={
        permits !== null && (
          <button type="button" class="button button-small" onClick={() => setResizing(true)}>
            Resize
          </button>
        )
      }
    >
      {permits !== null ? (
        <Pool permits={permits} />
      ) : away ? (
        <Empty title="The pool cannot be seen">It lies in Redis.</Empty>
      ) : (
        <Loading lines={4} what="the permits" />
      )}
      <OutcomeAt place={permitsPlace} />
      {resizing && permits !== null && <ResizeDialog permits={permits} onClose={() => setResizing(false)} />}
    </Panel>
  );
}

function Pool({ permits }: { permits: PermitsView }) {
  const { allocated, effective, configured, revoked, waiting, askedBack, holdUntil, providers, holders } =
    permits;
  const over = allocated > effective;
  const text = `${allocated} of ${effective} in use`;
  const busy = providers.filter(({ held, waiting: waits }) => held > 0 || waits > 0);
  return (
    <>
      <Bar
        share={effective === 0 ? 1 : allocated / effective}
        label="Permits in use"
        text={text}
        tone={over ? "warn" : "active"}
      />
      <p class="pool-line">
        <strong>{text}</strong>
        {waiting > 0 && <span class="text-warn">, {waiting} waiting</span>}
        {revoked > 0 && (
          <span class="text-warn">
            , {revoked} of {configured} revoked by the optimizer
          </span>
        )}
        {askedBack > 0 && <span class="text-warn">, {askedBack} asked back</span>}
      </p>
      {holdUntil !== null && (
        <p class="text-warn">
          Redis restarted: grants wait for one lease, until <Moment at={holdUntil} show="clock" />.
        </p>
      )}
      {busy.length === 0 ? (
        <p class="muted">No batch holds a permit or waits for one.</p>
      ) : (
        <ul class="rows" aria-label="Permits by provider">
          {busy.map(({ provider, held, waiting: waits, waitingMs, askedBack: back }) => (
            <li key={provider}>
              <strong>{provider}</strong>
              <span>
                {held} held
                {waits > 0 && (
                  <span class="text-warn">
                    , {waits} waiting, the first for {rough(waitingMs)}
                  </span>
                )}
                {back > 0 && `, ${back} asked back`}
              </span>
            </li>
          ))}
        </ul>
      )}
      {holders.length > 0 && <Holders permits={permits} />}
    </>
  );
}

function Holders({ permits: { holders, truncated, at } }: { permits: PermitsView }) {
  const now = useNow();
  return (
    <details class="past">
      <summary>
        {plural(holders.length, "holder")}
        {truncated && " and more"}
      </summary>
      <ul class="rows" aria-label="Holders">
        {holders.map(({ lease, provider, owner, since, expiresAt, askedBack, fence }) => (
          <li key={lease} title={`lease ${lease}, fence ${fence}`}>
            <strong>{provider}</strong>
            <code class="clip">{owner}</code>
            <span class="muted">
              {askedBack && "asked back, "}
              for {duration(Math.max(0, now - since))}, lease{" "}
              {expiresAt > at ? `ends in ${rough(expiresAt - at)}` : "ended"}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

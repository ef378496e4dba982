/** The pool: use, holders, waiters and size. */
import { useState } from "preact/hooks";
import type { Permits as PermitsView } from "../../api/schemas.ts";
import { duration, plural, rough } from "../lib/figures.ts";
import { permitsPlace, resize } from "../live/actions.ts";
import { Dialog, Field, Question, ReasonField } from "../ui/dialog.tsx";
import { Button } from "../ui/icon.tsx";
import { OutcomeAt } from "../ui/notices.tsx";
import { Bar, DataPanel, Moment } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";

export function Permits() {
  const permits = usePage(({ fleet }) => fleet.permits);
  const [resizing, setResizing] = useState(false);
  return (
    <DataPanel
      id="permits"
      title="Permits"
      data={permits}
      loading={[4, "the permits"]}
      away={["The pool cannot be read", "It is stored in Redis."]}
      aside={() => <Button onClick={() => setResizing(true)}>Resize</Button>}
      after={
        <>
          <OutcomeAt place={permitsPlace} />
          {resizing && permits !== null && (
            <ResizeDialog permits={permits} onClose={() => setResizing(false)} />
          )}
        </>
      }
    >
      {(pool) => <Pool permits={pool} />}
    </DataPanel>
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
        {waiting > 0 && `, ${waiting} waiting`}
        {revoked > 0 && `, ${revoked} of ${configured} revoked by the optimizer`}
        {askedBack > 0 && `, ${askedBack} asked back`}
      </p>
      {holdUntil !== null && (
        <p class="muted">
          Redis restarted: no permit is granted for one lease, until <Moment at={holdUntil} show="clock" />.
        </p>
      )}
      {busy.length === 0 ? (
        <p class="muted">No batch holds a permit or waits for one.</p>
      ) : (
        <ul class="rows" aria-label="Permits by source">
          {busy.map(({ provider, held, waiting: waits, waitingMs, askedBack: back }) => (
            <li key={provider}>
              <strong>{provider}</strong>
              <span>
                {held} held
                {waits > 0 && `, ${waits} waiting, the first for ${rough(waitingMs)}`}
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
    <details class="disclose">
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

const most = 4_096;

/** A new size for the pool; the dialog states the effect on current holders first. */
function ResizeDialog({ permits, onClose }: { permits: PermitsView; onClose: () => void }) {
  const now = permits.configured ?? permits.effective;
  const [text, setText] = useState(String(now));
  const [reason, setReason] = useState("");
  const size = Number(text);
  const valid = Number.isInteger(size) && size >= 1 && size <= most;
  const down = valid && size < now;
  const excess = valid ? Math.max(0, permits.allocated - size) : 0;

  return (
    <Dialog title="Resize the permit pool" onClose={onClose}>
      <Question
        onClose={onClose}
        yes={valid && size !== now ? `${down ? "Shrink" : "Grow"} to ${size}` : "Resize"}
        disabled={!valid || size === now}
        onYes={async () => void (await resize(size, reason))}
      >
        <Field
          label={`Permits, 1 to ${most.toLocaleString("en-US")}`}
          hint={`${plural(now, "permit")} now, ${permits.allocated} in use. The new size persists.`}
          value={text}
          onValue={setText}
          input={{
            ...{ "data-focus": "", type: "number", inputMode: "numeric", min: 1, max: most, step: 1 },
            ...{ required: true, "aria-invalid": !valid },
          }}
        />
        {!valid && (
          <p class="notice tone-bad" role="status">
            The pool takes a whole number from 1 to {most.toLocaleString("en-US")}. To let nothing start,
            pause the sources.
          </p>
        )}
        {valid && size === now && <p class="hint">That is the size it has.</p>}
        {down && (
          <p class="notice tone-warn" role="status">
            Down by {now - size}: fewer batches work at once.{" "}
            {excess > 0
              ? `${plural(excess, "permit")} will be asked back; their batches end at the next safe point, at the latest when their lease is taken.`
              : "No holder has to return a permit."}
          </p>
        )}
        <ReasonField reason={reason} onReason={setReason} />
      </Question>
    </Dialog>
  );
}

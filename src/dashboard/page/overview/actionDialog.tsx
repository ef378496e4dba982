/** Confirmation of an action: its effects, and a reason. Destructive actions are red. */
import { useState } from "preact/hooks";
import type { Action, OverviewProvider } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { act, start } from "../live/actions.ts";
import { Dialog, Question, ReasonField } from "../ui/dialog.tsx";
import { Prose } from "../ui/parts.tsx";

interface Props {
  action: Action;
  provider: OverviewProvider;
  onClose: () => void;
}

/** Overrides of the guards of a full run. */
interface Allowed {
  allowShrink: boolean;
  allowOlder: boolean;
}

const titles: Readonly<Record<Action, string>> = {
  start: "Start",
  pause: "Pause",
  resume: "Resume",
  stop: "Stop",
};

export function ActionDialog({ action, provider, onClose }: Props) {
  const name = provider.provider;
  const [reason, setReason] = useState("");
  const [full, setFull] = useState(!provider.verified);
  const [allowed, setAllowed] = useState<Allowed>({ allowShrink: false, allowOlder: false });
  const perform = async (): Promise<void> => {
    if (action !== "start") await act(name, action, reason);
    else await start(name, full ? { mode: "full", ...allowed, reason } : { mode: "incremental", reason });
  };
  return (
    <Dialog title={`${titles[action]} ${name}`} onClose={onClose}>
      <Question
        onClose={onClose}
        yes={action === "start" && full ? "Start the full run" : titles[action]}
        danger={action === "stop"}
        onYes={perform}
      >
        {action === "start" ? (
          <StartChoices {...{ provider, full, setFull, allowed, setAllowed }} />
        ) : (
          <Consequence action={action} provider={provider} />
        )}
        <ReasonField reason={reason} onReason={setReason} focus="at first" />
      </Question>
    </Dialog>
  );
}

const shrinkText =
  "Remove records even if the upstream lost suspiciously many (over 5\u00a0%). Only if you know that it is true.";
const olderText =
  "Accept a catalogue that is older than the edition in the store. Only if you know that the upstream took the newer one back.";

interface ChoicesProps {
  provider: OverviewProvider;
  full: boolean;
  setFull: (full: boolean) => void;
  allowed: Allowed;
  setAllowed: (allowed: Allowed) => void;
}

function StartChoices({ provider, full, setFull, allowed, setAllowed }: ChoicesProps) {
  const guard = (name: keyof Allowed, text: string) => (
    <label class="check">
      <input
        type="checkbox"
        checked={allowed[name]}
        onChange={({ currentTarget }) => setAllowed({ ...allowed, [name]: currentTarget.checked })}
      />
      <span>{text}</span>
    </label>
  );
  return (
    <fieldset class="column choices">
      <legend>Which run</legend>
      <label class="choice">
        <input
          type="radio"
          name="mode"
          checked={!full}
          disabled={!provider.verified}
          onChange={() => setFull(false)}
        />
        <span>
          <strong>Incremental</strong>
          <span class="hint">
            {provider.verified
              ? "What changed upstream since the watermark."
              : "Not before the first full run: this provider was never verified complete."}
          </span>
        </span>
      </label>
      <label class="choice">
        <input type="radio" name="mode" checked={full} onChange={() => setFull(true)} />
        <span>
          <strong>Full</strong>
          <span class="hint">
            Fetches everything again
            {provider.records > 0 && `, ${plural(provider.records, "record")} and what is new`}; finds silent
            changes and removals. It takes the upstream's time and this fleet's.
          </span>
        </span>
      </label>
      {full && guard("allowShrink", shrinkText)}
      {full && guard("allowOlder", olderText)}
    </fieldset>
  );
}

function Consequence({ action, provider }: { action: Exclude<Action, "start">; provider: OverviewProvider }) {
  const { machine, openRun } = provider;
  if (action === "pause") {
    return (
      <p>
        New batches stop at once, running ones at their next safe point. It stays paused, also over restarts,
        deploys and schedules, until an operator resumes it.
      </p>
    );
  }
  if (action === "resume") {
    return (
      <>
        {machine.reason !== null && (
          <p class="why text-bad">
            Paused{machine.actor !== null && ` by ${machine.actor}`}: <Prose text={machine.reason} />
          </p>
        )}
        <p>
          {openRun === null
            ? "No run is open; the next one may open again."
            : "The open run goes on from its checkpoint."}
        </p>
      </>
    );
  }
  return (
    <p>
      {openRun === null
        ? "No run is open: only the state changes."
        : `Run ${openRun.runId} ends here: ${count(openRun.batchesDone)} of ${plural(openRun.batchesPlanned, "batch", "batches")} are done, the others are cancelled. Committed batches stay; the watermark does not move. This cannot be undone: the next run starts from the beginning.`}
    </p>
  );
}

/** Confirmation of an action on dead letters: a dry run counts them, and a purge requires typing the number. */
import { useState } from "preact/hooks";
import type { DeadLetterRequest, PurgeReport, ReplayReport } from "../../api/schemas.ts";
import { bytes, count, plural } from "../lib/figures.ts";
import { perform as performAt } from "../live/actions.ts";
import { ask, useAnswer } from "../live/http.ts";
import { Dialog, Field, Question, ReasonField } from "../ui/dialog.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { Loading } from "../ui/parts.tsx";
import { type Choice, inWords, toFilter } from "./filter.tsx";

export type BulkAction = "replay" | "accept" | "purge";
export type Target = { ids: readonly string[] } | { matching: Choice };

export const letterPlace = "dead-letters";

/** The answer of an action on dead letters; runs for replays, lost for purges. */
type Report = Omit<ReplayReport, "runs"> & Partial<Pick<ReplayReport, "runs"> & Pick<PurgeReport, "lost">>;

const words = {
  replay: { title: "Replay", done: "Replayed", would: "would be replayed" },
  accept: { title: "Accept", done: "Accepted", would: "would be accepted" },
  purge: { title: "Purge", done: "Purged", would: "would be purged" },
} as const;

/** The API's limit for one request. */
const atOnce = 10_000;

const selectionOf = (target: Target): Pick<DeadLetterRequest, "ids" | "filter"> =>
  "ids" in target ? { ids: [...target.ids] } : { filter: toFilter(target.matching) };

const send = (
  action: BulkAction,
  target: Target,
  more: Pick<DeadLetterRequest, "dryRun" | "reason">,
): Promise<Report> =>
  ask<Report>("POST", `/api/dead-letters/${action}`, { ...selectionOf(target), limit: atOnce, ...more });

const skippedText = ({ skipped }: Report): string =>
  Object.entries(skipped)
    .filter(([, many]) => many > 0)
    .map(([why, many]) => `${count(many)} left out: ${why}`)
    .join("; ");

interface BulkProps {
  action: BulkAction;
  target: Target;
  onClose: () => void;
  onDone: () => void;
}

export function BulkDialog({ action, target, onClose, onDone }: BulkProps) {
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const { title } = words[action];
  const { answer: plan, error } = useAnswer(() => send(action, target, { dryRun: true }), []);
  const perform = async (): Promise<void> => {
    const more = reason.trim() === "" ? {} : { reason: reason.trim() };
    const work = async () => outcomeText(action, await send(action, target, more));
    if (await performAt(letterPlace, title, work)) onDone();
  };
  if (plan === null) {
    return (
      <Dialog title={`${title} dead letters`} onClose={onClose}>
        {error !== null ? <ErrorText error={error} /> : <Loading lines={3} what="how many it would be" />}
      </Dialog>
    );
  }
  const mustType = action === "purge" && plan.done > 1;
  return (
    <Dialog title={`${title} dead letters`} onClose={onClose}>
      <Question
        onClose={onClose}
        yes={`${title} ${plan.done > 0 ? count(plan.done) : ""}`.trim()}
        busyText="Working …"
        danger={action === "purge"}
        disabled={plan.done === 0 || (mustType && typed.trim() !== String(plan.done))}
        onYes={perform}
      >
        <Plan action={action} target={target} plan={plan} />
        {plan.done > 0 && (
          <ReasonField reason={reason} onReason={setReason} kept="with it" focus="as it comes" />
        )}
        {mustType && (
          <Field
            label={`Type ${plan.done} to purge them`}
            value={typed}
            onValue={setTyped}
            input={{ inputMode: "numeric", autocomplete: "off" }}
          />
        )}
      </Question>
    </Dialog>
  );
}

function Plan({ action, target, plan }: { action: BulkAction; target: Target; plan: Report }) {
  const { lost } = plan;
  return (
    <div class="column stack-tight">
      <p>
        <strong>
          {plan.done === 0 ? "No letter" : plural(plan.done, "letter")} {words[action].would}
        </strong>
        {"matching" in target ? `, of ${count(plan.matched)} that match: ${inWords(target.matching)}.` : "."}
      </p>
      {plan.matched >= atOnce && <p class="muted">At most {count(atOnce)} go at once; the newest first.</p>}
      {skippedText(plan) !== "" && <p class="muted">{skippedText(plan)}.</p>}
      {action === "replay" && (
        <p class="muted">
          Each gets a new job with new attempts, in its own run while that is open, otherwise in a replay run.
          Newer data is never overwritten. For a bad record the stored bytes are read again, not the upstream:
          a run of the source requests it again, and settles what it then stores or no longer finds.
        </p>
      )}
      {action === "accept" && (
        <p class="muted">
          Only bad records can be accepted. Runs no longer count them until the upstream sends other content.
        </p>
      )}
      {action === "purge" && plan.done > 0 && (
        <p class="notice tone-bad">
          They can no longer be replayed
          {lost &&
            `: ${plural(lost.batches, "batch", "batches")} with ${plural(lost.batchRecords, "record")}, ${plural(lost.records, "bad record")}, ${bytes(lost.rawBytes)} of raw bytes`}
          . This cannot be undone.
        </p>
      )}
    </div>
  );
}

function outcomeText(action: BulkAction, report: Report): string {
  const waiting = report.runs?.find(({ waitingFor }) => waitingFor !== null)?.waitingFor;
  const runs = report.runs?.map(({ runId }) => runId).join(", ");
  return [
    `${words[action].done} ${plural(report.done, "letter")}.`,
    runs && `In ${runs}.`,
    waiting && `It waits: ${waiting}.`,
    skippedText(report) && `${skippedText(report)}.`,
  ]
    .filter(Boolean)
    .join(" ");
}

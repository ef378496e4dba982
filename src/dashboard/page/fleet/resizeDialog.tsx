/** A new size for the pool; the dialog states the effect on current holders first. */
import { useState } from "preact/hooks";
import type { Permits } from "../../api/schemas.ts";
import { plural } from "../lib/figures.ts";
import { resize } from "../live/actions.ts";
import { Dialog, DialogFoot } from "../ui/dialog.tsx";
import { ReasonField } from "../ui/reasonField.tsx";

const most = 4_096;

export function ResizeDialog({ permits, onClose }: { permits: Permits; onClose: () => void }) {
  const now = permits.configured ?? permits.effective;
  const [text, setText] = useState(String(now));
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const size = Number(text);
  const valid = Number.isInteger(size) && size >= 1 && size <= most;
  const down = valid && size < now;
  const excess = valid ? Math.max(0, permits.allocated - size) : 0;

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!valid) return;
    setBusy(true);
    await resize(size, reason);
    onClose();
  };

  return (
    <Dialog title="Resize the permit pool" onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <label class="field">
          <span>Permits, 1 to {most.toLocaleString("en-US")}</span>
          <input
            data-focus
            type="number"
            inputMode="numeric"
            min={1}
            max={most}
            step={1}
            required
            value={text}
            aria-describedby="size-hint"
            aria-invalid={!valid}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
          <span class="hint" id="size-hint">
            {plural(now, "permit")} now, {permits.allocated} in use. The new size persists.
          </span>
        </label>
        {!valid && (
          <p class="notice tone-bad" role="status">
            The pool takes a whole number from 1 to {most.toLocaleString("en-US")}. To let nothing start,
            pause the providers.
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
        <DialogFoot onClose={onClose}>
          <button
            class={`button ${down ? "button-danger" : "button-main"}`}
            type="submit"
            disabled={busy || !valid || size === now}
          >
            {valid && size !== now ? (down ? `Shrink to ${size}` : `Grow to ${size}`) : "Resize"}
          </button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

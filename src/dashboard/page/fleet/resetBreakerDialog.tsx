/** Closing a breaker: the dialog states the effects first. */
import { useState } from "preact/hooks";
import { resetBreaker } from "../live/actions.ts";
import { Dialog, DialogFoot } from "../ui/dialog.tsx";
import { ReasonField } from "../ui/reasonField.tsx";

export function ResetBreakerDialog({ upstream, onClose }: { upstream: string; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    await resetBreaker(upstream, reason);
    onClose();
  };

  return (
    <Dialog title={`Close the breaker of ${upstream}`} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <p class="notice tone-warn" role="status">
          Every worker may call {upstream} again at once. If calls go on failing, it opens again after five in
          a row.
        </p>
        <ReasonField reason={reason} onReason={setReason} focus="at first" />
        <DialogFoot onClose={onClose}>
          <button class="button button-main" type="submit" disabled={busy}>
            Close the breaker
          </button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

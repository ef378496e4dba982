/** The reason of an action, stored with it. */
import { focusOnce } from "./dialog.tsx";

export function ReasonField({
  reason,
  onReason,
  kept = "in the history",
  focus,
}: {
  reason: string;
  onReason: (reason: string) => void;
  kept?: string;
  /** Takes the focus when its dialog opens, or when it appears in an open one. */
  focus?: "at first" | "as it comes";
}) {
  return (
    <label class="field">
      <span>
        Reason <span class="muted">(optional, kept {kept})</span>
      </span>
      <input
        ref={focus === "as it comes" ? focusOnce : undefined}
        data-focus={focus === "at first" ? "" : undefined}
        maxLength={500}
        value={reason}
        onInput={({ currentTarget }) => onReason(currentTarget.value)}
      />
    </label>
  );
}

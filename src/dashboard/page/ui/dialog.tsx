/** Native modal dialogs: focus stays inside, Esc closes them, and focus returns to its origin. */
import type { ComponentChildren, InputHTMLAttributes, Ref } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { IconButton } from "./icon.tsx";

/** As a ref: takes the focus when it appears, for elements that appear after the dialog opened. */
export const focusOnce = (element: HTMLElement | null): void => element?.focus();

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("[data-focus]")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={titleId}>{title}</h2>
        <IconButton sign="close" label="Close" onClick={onClose} />
      </div>
      {children}
    </dialog>
  );
}

interface QuestionProps {
  onClose: () => void;
  children: ComponentChildren;
  /** Name of the button that says yes. */
  yes: string;
  /** While the work lasts. */
  busyText?: string;
  danger?: boolean;
  disabled?: boolean;
  /** The dialog closes afterwards, whether it succeeded or was refused: the result appears at its place. */
  onYes: () => Promise<void> | void;
}

/** The form of a dialog with one question: its content, Cancel, and the button that says yes. */
export function Question({
  onClose,
  children,
  yes,
  busyText = yes,
  danger,
  disabled = false,
  onYes,
}: QuestionProps) {
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (disabled) return;
    setBusy(true);
    await onYes();
    onClose();
  };
  return (
    <form class="stack" onSubmit={submit}>
      {children}
      <div class="row dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button
          class={`button ${danger ? "button-danger" : "button-main"}`}
          type="submit"
          disabled={busy || disabled}
        >
          {busy ? busyText : yes}
        </button>
      </div>
    </form>
  );
}

interface FieldProps {
  label: ComponentChildren;
  value: string;
  onValue: (value: string) => void;
  hint?: ComponentChildren;
  /** More attributes of the input. */
  input?: InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement>; "data-focus"?: string };
}

/** A text that people type, with its label and a hint. */
export function Field({ label, value, onValue, hint, input }: FieldProps) {
  const id = useId();
  return (
    <label class="column field">
      <span>{label}</span>
      <input
        {...input}
        value={value}
        aria-describedby={hint === undefined ? undefined : id}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
      {hint !== undefined && (
        <span class="hint" id={id}>
          {hint}
        </span>
      )}
    </label>
  );
}

interface ReasonProps {
  reason: string;
  onReason: (reason: string) => void;
  kept?: string;
  /** Takes the focus when its dialog opens, or when it appears in an open one. */
  focus?: "at first" | "as it comes";
}

/** The reason of an action, stored with it. */
export const ReasonField = ({ reason, onReason, kept = "in the history", focus }: ReasonProps) => (
  <Field
    label={
      <>
        Reason <span class="muted">(optional, kept {kept})</span>
      </>
    }
    value={reason}
    onValue={onReason}
    input={{
      maxLength: 500,
      ref: focus === "as it comes" ? focusOnce : undefined,
      "data-focus": focus === "at first" ? "" : undefined,
    }}
  />
);

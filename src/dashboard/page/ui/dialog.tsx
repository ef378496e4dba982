/** A native modal dialog: focus stays inside, Esc closes it, and focus returns to its origin. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** As a ref: takes the focus when it appears, for elements that appear after the dialog opened. */
export const focusOnce = (element: HTMLElement | null): void => element?.focus();

export function Dialog({
  title,
  onClose,
  children,
  wide = false,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
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
        <button type="button" class="button button-plain button-icon" aria-label="Close" onClick={onClose}>
          <Icon sign="close" />
        </button>
      </div>
      {children}
    </dialog>
  );
}

/** The buttons of a dialog with one question. */
export function DialogFoot({ onClose, children }: { onClose: () => void; children: ComponentChildren }) {
  return (
    <div class="dialog-foot">
      <button type="button" class="button" onClick={onClose}>
        Cancel
      </button>
      {children}
    </div>
  );
}

import type { ButtonHTMLAttributes } from "preact";
import { paths, type Sign } from "../lib/icons.ts";

const filled = new Set<string>(["play", "stop"]);

/** An icon never stands alone: a word is beside it, or names its button. */
export function Icon({ sign }: { sign: Sign }) {
  return (
    <svg
      class={`icon${filled.has(sign) ? " icon-filled" : ""}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
    >
      <path d={paths[sign]} />
    </svg>
  );
}

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement>;

/** A small button inside a panel; the main ones of dialogs are in dialog.tsx. */
export const Button = (props: ButtonProps) => <button type="button" class="button button-small" {...props} />;

interface IconButtonProps {
  sign: Sign;
  /** Its name, for screen readers. */
  label: string;
  title?: string;
  onClick: () => void;
}

export const IconButton = ({ sign, label, title, onClick }: IconButtonProps) => (
  <button type="button" class="button button-plain button-icon" aria-label={label} {...{ title, onClick }}>
    <Icon sign={sign} />
  </button>
);

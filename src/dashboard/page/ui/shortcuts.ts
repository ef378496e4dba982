/**
 * Single-key shortcuts, documented in the help window. Inactive in fields and dialogs, and if the user disabled them.
 */
import { nextTheme, storage } from "../session/theme.ts";
import { views } from "../state/address.ts";
import { go } from "../state/navigate.ts";
import { createStore } from "../state/store.ts";

const key = "uee.shortcuts";
export const shortcutsOn = createStore(storage()?.getItem(key) !== "off", (work) => queueMicrotask(work));

export function setShortcuts(on: boolean): void {
  shortcutsOn.change(() => on);
  storage()?.setItem(key, on ? "on" : "off");
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]") !==
    null;

/** Moves between providers; from any other place to the first one. */
function moveProvider(step: number): void {
  const all = [...document.querySelectorAll<HTMLElement>("[data-provider]")];
  const at = all.findIndex((one) => one.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next]?.focus();
  all[next]?.scrollIntoView({ block: "nearest" });
}

/** Presses the button of an action in the focused provider. */
function pressAction(letter: string): boolean {
  const provider = document.activeElement?.closest("[data-provider]");
  const button = provider?.querySelector<HTMLButtonElement>(`[data-key="${letter}"]:not(:disabled)`);
  button?.click();
  return button !== null && button !== undefined;
}

/** Returns a function that removes the listener. */
export function listenForKeys({ onHelp }: { onHelp: () => void }): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (!shortcutsOn.get() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey)
      return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (!handle(event.key, onHelp)) return;
    event.preventDefault();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

function handle(pressed: string, onHelp: () => void): boolean {
  const found = views.find((one) => one.key === pressed);
  if (found !== undefined) go(found.path);
  else if (pressed === "?") onHelp();
  else if (pressed === "t") nextTheme();
  else if (pressed === "j") moveProvider(1);
  else if (pressed === "k") moveProvider(-1);
  else if (pressed === "/") document.getElementById("search")?.focus();
  else if (pressed === "f") document.getElementById("dead-letters-filter")?.focus();
  else return ["s", "p", "r", "x"].includes(pressed) && pressAction(pressed);
  return true;
}

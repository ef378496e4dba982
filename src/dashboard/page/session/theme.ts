/** Light, dark, or the system's setting. */
import { createStore } from "../state/store.ts";

export type Theme = "auto" | "light" | "dark";
const order: readonly Theme[] = ["auto", "light", "dark"];
const key = "uee.theme";

const read = (): Theme => {
  const kept = storage()?.getItem(key);
  return order.find((theme) => theme === kept) ?? "auto";
};

/** Browsers that store nothing for this site throw on access. */
export function storage(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

const show = (theme: Theme): void => {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
};

export const theme = createStore<Theme>(read(), (work) => queueMicrotask(work));
show(theme.get());

export function nextTheme(): void {
  theme.change((now) => order[(order.indexOf(now) + 1) % order.length] ?? "auto");
  show(theme.get());
  storage()?.setItem(key, theme.get());
}

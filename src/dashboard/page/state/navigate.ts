/** Moves between addresses. The browser's history keeps them: back, forward, reload and bookmarks work. */
import { type Address, href, parseAddress, type Query } from "./address.ts";
import { createStore } from "./store.ts";

const overview: Address = { view: "overview", id: null, query: {} };
const here = (): Address => parseAddress(location.pathname, location.search) ?? overview;

export const address = createStore<Address>(here(), (work) => queueMicrotask(work));

/** Shows another address; `replace`: without a step in the browser's history. */
export function go(to: string, { replace = false } = {}): void {
  const url = new URL(to, location.href);
  const before = address.get();
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  const next = here();
  address.change(() => next);
  if (url.hash !== "") revealHash();
  else if (next.view !== before.view || next.id !== before.id) {
    window.scrollTo(0, 0);
    requestAnimationFrame(() => document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true }));
  }
}

/** Changes filters of the present view; an empty value removes one. */
export function refine(change: Query, options?: { replace?: boolean }): void {
  const { view, id, query } = address.get();
  go(href(view, id, { ...query, ...change }), options);
}

/** Scrolls to the part that the address names, once it is there. */
export function revealHash(): void {
  const id = decodeURIComponent(location.hash.slice(1));
  if (id !== "") requestAnimationFrame(() => requestAnimationFrame(() => jumpTo(id)));
}

function jumpTo(id: string): void {
  const target = document.getElementById(id);
  if (target === null) return;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  target.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  target.focus({ preventScroll: true });
}

/** Links to views of the page change the address without loading; returns a function that stops it. */
export function followLinks(): () => void {
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey)
      return;
    const link = (event.target as Element | null)?.closest("a");
    // Links in drawings have no `pathname`.
    const to = link?.getAttribute("href") ?? null;
    if (!link || to === null || link.hasAttribute("target") || link.hasAttribute("download")) return;
    const url = new URL(to, location.href);
    if (url.origin !== location.origin || parseAddress(url.pathname, url.search) === undefined) return;
    event.preventDefault();
    go(url.href);
  };
  const onPop = (): void => address.change(here);
  document.addEventListener("click", onClick);
  window.addEventListener("popstate", onPop);
  return () => {
    document.removeEventListener("click", onClick);
    window.removeEventListener("popstate", onPop);
  };
}

/**
 * The connection for server-sent events. EventSource reconnects automatically only after some failures and does not
 * detect a silent connection; so the pulse is monitored, and the page reconnects: soon at first, then at longer
 * intervals, at once when the browser is online again or the page becomes visible.
 */
import type { EventData, EventName } from "../../api/schemas.ts";
import { type Link, lostAfterMs, noLink, openWithinMs, retryDelay, staleAfterMs } from "../state/store.ts";

export type OnEvent = <Name extends EventName>(name: Name, data: EventData[Name]) => void;

export interface Line {
  retryNow(): void;
  close(): void;
}

/** A record, so that the compiler requires every name. */
const names = Object.keys({
  reset: true,
  pulse: true,
  overview: true,
  kernel: true,
  permits: true,
  workers: true,
  breakers: true,
  transition: true,
  quota: true,
  bye: true,
} satisfies Record<EventName, true>) as EventName[];

export function openLine(options: {
  onEvent: OnEvent;
  onLink: (link: Link) => void;
  /** Asks whether the login is still valid; a refused connection does not give the reason. */
  onRefused: () => void;
}): Line {
  let link = noLink;
  let source: EventSource | undefined;
  let openedAt = Date.now();
  let closed = false;

  const set = (change: Partial<Link>): void => {
    link = { ...link, ...change };
    options.onLink(link);
  };

  const hear = (name: EventName, event: MessageEvent<string>): void => {
    const data = JSON.parse(event.data) as EventData[EventName];
    const now = Date.now();
    const skewMs = name === "pulse" ? Date.parse((data as EventData["pulse"]).at) - now : link.skewMs;
    set({ phase: "live", heardAt: now, nextTryAt: null, tries: 0, skewMs });
    options.onEvent(name, data as never);
    if (name === "bye") connect();
  };

  const connect = (): void => {
    source?.close();
    openedAt = Date.now();
    const opened = new EventSource(new URL("/events", location.origin));
    source = opened;
    for (const name of names) opened.addEventListener(name, (event) => hear(name, event));
    opened.onerror = () => {
      if (source === opened) lose({ refused: opened.readyState === EventSource.CLOSED });
    };
  };

  const lose = ({ refused = false, hung = false }): void => {
    source?.close();
    source = undefined;
    const wait = retryDelay(link.tries, hung, Math.random());
    set({ phase: "lost", nextTryAt: Date.now() + wait, tries: link.tries + 1 });
    if (refused) options.onRefused();
  };

  const watch = (): void => {
    const now = Date.now();
    if (source === undefined) {
      if (link.nextTryAt !== null && now >= link.nextTryAt) connect();
      return;
    }
    const silentMs = now - Math.max(openedAt, link.heardAt ?? 0);
    const opening = source.readyState === EventSource.CONNECTING;
    if (silentMs > (opening ? openWithinMs(link.tries) : lostAfterMs)) lose({ hung: true });
    else if (link.phase === "live" && now - (link.heardAt ?? 0) > staleAfterMs) set({ phase: "stale" });
  };

  const retryNow = (): void => {
    if (!closed && source === undefined) connect();
  };
  const onVisible = (): void => {
    if (document.visibilityState === "visible") retryNow();
  };

  const timer = window.setInterval(watch, 500);
  window.addEventListener("online", retryNow);
  document.addEventListener("visibilitychange", onVisible);
  connect();
  return {
    retryNow,
    close() {
      closed = true;
      window.clearInterval(timer);
      window.removeEventListener("online", retryNow);
      document.removeEventListener("visibilitychange", onVisible);
      source?.close();
      source = undefined;
    },
  };
}

/** Login, logout, and the work of the page while a user is logged in. */
import type {
  EntryAnswer,
  KernelHistory,
  LoginRequest,
  QuotaEvents,
  Session,
  Transitions,
} from "../../api/schemas.ts";
import { type Line, openLine } from "../live/events.ts";
import { ask, carry, errorOf } from "../live/http.ts";
import {
  applyEvent,
  bounds,
  type Fleet,
  withKernelHistory,
  withQuotaEvents,
  withTransitions,
} from "../state/fleet.ts";
import { type Entry, page } from "../state/page.ts";
import { noLink } from "../state/store.ts";
import { storage } from "./theme.ts";

let line: Line | undefined;

const enter = (entry: Entry): void => page.change((state) => ({ ...state, entry }));
const toFleet = (step: (fleet: Fleet) => Fleet): void =>
  page.change((state) => {
    const fleet = step(state.fleet);
    return fleet === state.fleet ? state : { ...state, fleet };
  });

/** Asks for the identity; shows the login if there is none. */
export async function begin(): Promise<void> {
  try {
    const { loggedIn } = await ask<EntryAnswer>("GET", "/api/entry");
    if (loggedIn) open(await ask<Session>("GET", "/api/session"));
    else enter({ phase: "login", ended: false });
  } catch (thrown) {
    enter({ phase: "unreachable", ...errorOf(thrown) });
  }
}

/** @throws ApiFailure */
export async function login(request: LoginRequest): Promise<void> {
  open(await ask<Session>("POST", "/api/session", request));
  goOn();
}

/** Bull Board redirects users without a login here and expects them back. */
function goOn(): void {
  const next = new URLSearchParams(location.search).get("next");
  if (next !== null && /^\/queues(\/|\?|$)/.test(next)) location.replace(next);
}

export async function logout(): Promise<void> {
  await ask("DELETE", "/api/session");
  leave(false);
}

function open(session: Session): void {
  carryFor(session);
  const actor = session.tokenRequired ? session.actor : ownName() || session.actor;
  enter({ phase: "in", session: { ...session, actor } });
  line?.close();
  line = openLine({
    onEvent: (name, data) => {
      toFleet((fleet) => applyEvent(fleet, name, data));
      // Data that events do not carry is read again, also after a long outage of the server.
      if (name === "reset") readPast();
    },
    onLink: (link) => page.change((state) => ({ ...state, link })),
    onRefused: () => void stillIn(),
  });
}

const nameKey = "uee.name";

/** The last name used in this browser: proposed at the login, and on an open dashboard stored with actions. */
export const ownName = (): string => storage()?.getItem(nameKey) ?? "";

export const rememberName = (name: string): void => storage()?.setItem(nameKey, name);

/** For an open dashboard. */
export function setOwnName(name: string): void {
  rememberName(name);
  const { entry } = page.get();
  if (entry.phase !== "in") return;
  const session = { ...entry.session, actor: name || "local" };
  carryFor(session);
  enter({ phase: "in", session });
}

function carryFor({ csrfToken, tokenRequired }: Session): void {
  const actor = tokenRequired ? undefined : ownName();
  carry({ csrfToken, actor, onEnded: () => leave(true) });
}

function leave(ended: boolean): void {
  line?.close();
  line = undefined;
  carry({ csrfToken: "", onEnded: () => {} });
  page.change((state) => ({ ...state, entry: { phase: "login", ended }, link: noLink }));
}

/** A refused connection does not give the reason: the login may have ended. */
const stillIn = (): Promise<void> =>
  ask<EntryAnswer>("GET", "/api/entry").then(
    ({ loggedIn }) => {
      if (!loggedIn) leave(true);
    },
    () => {},
  );

export const retryNow = (): void => line?.retryNow();

function readPast(): void {
  const read = <Answer>(path: string, then: (fleet: Fleet, answer: Answer) => Fleet): Promise<void> =>
    ask<Answer>("GET", path).then(
      (answer) => toFleet((fleet) => then(fleet, answer)),
      // The connection state shows the failure; the next reset reads again.
      () => {},
    );
  void read<KernelHistory>("/api/kernel-metrics/history", withKernelHistory);
  void read<Transitions>(`/api/transitions?limit=${bounds.transitions}`, (fleet, { transitions }) =>
    withTransitions(fleet, transitions),
  );
  void read<QuotaEvents>(`/api/quota-events?limit=${bounds.quotaEvents}`, (fleet, { quotaEvents }) =>
    withQuotaEvents(fleet, quotaEvents),
  );
}

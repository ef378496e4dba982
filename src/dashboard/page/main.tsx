/** The page: the view that the address names, by the state of the login, and its start. */
import type { ComponentType } from "preact";
import { render } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Session } from "../api/schemas.ts";
import { Changes } from "./changes/changes.tsx";
import { DeadLetters } from "./deadletters/deadLetters.tsx";
import { Fleet } from "./fleet/fleet.tsx";
import { History } from "./history/history.tsx";
import { zoneText } from "./lib/figures.ts";
import { Overview } from "./overview/overview.tsx";
import { RecordsView } from "./records/records.tsx";
import { RunsView } from "./runs/runs.tsx";
import { Asking, Login, Unreachable } from "./session/login.tsx";
import { begin } from "./session/session.ts";
import { type View, views } from "./state/address.ts";
import { needsOf, titleOf } from "./state/attention.ts";
import { followLinks, revealHash } from "./state/navigate.ts";
import { clock, serverNow } from "./state/page.ts";
import { Header, Help } from "./ui/header.tsx";
import { LineBanner } from "./ui/notices.tsx";
import { listenForKeys } from "./ui/shortcuts.ts";
import { useAddress, usePage } from "./ui/useStore.ts";

const contents: Readonly<Record<View, ComponentType>> = {
  overview: Overview,
  runs: RunsView,
  records: RecordsView,
  changes: Changes,
  "dead-letters": DeadLetters,
  fleet: Fleet,
  history: History,
};

function App() {
  const entry = usePage((state) => state.entry);
  if (entry.phase === "asking") return <Asking />;
  if (entry.phase === "unreachable") return <Unreachable message={entry.message} remedy={entry.remedy} />;
  if (entry.phase === "login") return <Login ended={entry.ended} />;
  return <Dashboard session={entry.session} />;
}

function Dashboard({ session }: { session: Session }) {
  const [help, setHelp] = useState(false);
  const { view, id } = useAddress();
  const dim = usePage(
    ({ link, fleet }) => (link.phase !== "live" && link.heardAt !== null) || fleet.trouble !== null,
  );
  useTitle(view, id);
  // Keyboard and links work as soon as there is content.
  useLayoutEffect(() => listenForKeys({ onHelp: () => setHelp(true) }), []);
  useLayoutEffect(followLinks, []);
  useEffect(revealHash, []);
  const Content = contents[view];
  return (
    <>
      <Header session={session} onHelp={() => setHelp(true)} />
      <LineBanner />
      <main class={dim ? "page page-stale" : "page"} id="content" tabIndex={-1}>
        <Content key={id} />
      </main>
      <footer class="frame foot muted small">{zoneText()}</footer>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function useTitle(view: View, id: string | null): void {
  const fleet = usePage((state) => state.fleet);
  const phase = usePage(({ link }) => link.phase);
  const name = view === "overview" ? null : (id ?? views.find((one) => one.view === view)?.title ?? null);
  const live = phase === "live" || phase === "connecting";
  const title = titleOf(needsOf(fleet), fleet.overview?.macro.state, live, name);
  useEffect(() => {
    document.title = title;
  }, [title]);
}

const place = document.getElementById("page");
if (place !== null) render(<App />, place);
window.setInterval(() => clock.change(serverNow), 1_000);
void begin();

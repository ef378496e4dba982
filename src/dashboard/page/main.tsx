/** The page: its views by the state of the login, and its start. */
import { render } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Session } from "../api/schemas.ts";
import { DeadLetters } from "./deadletters/deadLetters.tsx";
import { Breakers } from "./fleet/breakers.tsx";
import { Kernel } from "./fleet/kernel.tsx";
import { Permits } from "./fleet/permits.tsx";
import { Workers } from "./fleet/workers.tsx";
import { History } from "./history/history.tsx";
import { Asking, Login, Unreachable } from "./session/login.tsx";
import { begin } from "./session/session.ts";
import { clock, serverNow } from "./state/page.ts";
import { Tree } from "./tree/tree.tsx";
import { Header, Help } from "./ui/header.tsx";
import { Attention, LineBanner } from "./ui/notices.tsx";
import { listenForKeys } from "./ui/shortcuts.ts";
import { usePage } from "./ui/useStore.ts";

function App() {
  const entry = usePage((state) => state.entry);
  if (entry.phase === "asking") return <Asking />;
  if (entry.phase === "unreachable") return <Unreachable message={entry.message} remedy={entry.remedy} />;
  if (entry.phase === "login") return <Login ended={entry.ended} />;
  return <Dashboard session={entry.session} />;
}

function Dashboard({ session }: { session: Session }) {
  const [help, setHelp] = useState(false);
  const dim = usePage(
    ({ link, fleet }) => (link.phase !== "live" && link.heardAt !== null) || fleet.trouble !== null,
  );
  // Keyboard shortcuts work as soon as there is content.
  useLayoutEffect(() => listenForKeys({ onHelp: () => setHelp(true) }), []);
  return (
    <>
      <Header session={session} onHelp={() => setHelp(true)} />
      <LineBanner />
      <main class={dim ? "board board-stale" : "board"}>
        <Attention />
        <div class="column board-main">
          <Tree />
          <DeadLetters />
        </div>
        <div class="column board-side">
          <Kernel />
          <Permits />
          <Workers />
          <Breakers />
          <History />
        </div>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

const place = document.getElementById("page");
if (place !== null) render(<App />, place);
window.setInterval(() => clock.change(serverNow), 1_000);
void begin();

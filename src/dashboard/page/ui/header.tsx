/** Top of the page: title, connection state, navigation and user. */
import { useState } from "preact/hooks";
import type { Session } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { logout } from "../session/session.ts";
import { nextTheme, theme } from "../session/theme.ts";
import { Icon } from "./icon.tsx";
import { LiveSign } from "./liveSign.tsx";
import { NameDialog } from "./nameDialog.tsx";
import { jumpTo, sections } from "./shortcuts.ts";
import { usePage, useStore } from "./useStore.ts";

export function Header({ session, onHelp }: { session: Session; onHelp: () => void }) {
  return (
    <header class="top">
      <a class="skip" href="#tree">
        Skip to the tree
      </a>
      <h1 class="wordmark">
        UEE <span>mirror</span>
      </h1>
      <LiveSign />
      <Sections />
      <div class="top-tools">
        <ThemeButton />
        <button
          type="button"
          class="button button-plain button-icon"
          aria-label="Keyboard and help"
          title="Keyboard and help (?)"
          onClick={onHelp}
        >
          <Icon sign="key" />
        </button>
        <Person session={session} />
      </div>
    </header>
  );
}

function Sections() {
  const deadLetters = usePage(({ fleet }) => fleet.overview?.deadLetters ?? 0);
  return (
    <nav class="sections" aria-label="Parts of the page">
      {sections.map(({ id, name, key }) => (
        <a
          key={id}
          href={`#${id}`}
          title={`${name} (${key})`}
          onClick={(event) => {
            event.preventDefault();
            jumpTo(id);
          }}
        >
          {name}
          {id === "dead-letters" && deadLetters > 0 && <span class="count-chip">{count(deadLetters)}</span>}
        </a>
      ))}
      <a href="queues" target="_blank" rel="noreferrer" title="Bull Board, read-only, in a new tab">
        Queues <Icon sign="external" />
      </a>
    </nav>
  );
}

const themes = {
  auto: { sign: "auto", name: "as the system has it" },
  light: { sign: "sun", name: "light" },
  dark: { sign: "moon", name: "dark" },
} as const;

function ThemeButton() {
  const now = useStore(theme, (value) => value);
  const { sign, name } = themes[now];
  return (
    <button
      type="button"
      class="button button-plain button-icon"
      aria-label={`Theme: ${name}. Change`}
      title={`Theme: ${name} (t)`}
      onClick={nextTheme}
    >
      <Icon sign={sign} />
    </button>
  );
}

function Person({ session }: { session: Session }) {
  const [naming, setNaming] = useState(false);
  if (session.tokenRequired) {
    return (
      <div class="person">
        <span title="Stored with all your actions">{session.actor}</span>
        <button
          type="button"
          class="button button-small"
          onClick={() => void logout().catch(() => undefined)}
        >
          Log out
        </button>
      </div>
    );
  }
  return (
    <div class="person">
      <button
        type="button"
        class="button button-small"
        title="No token is set: every user of this machine has full access. Enter your name, which is stored with your actions."
        onClick={() => setNaming(true)}
      >
        {session.actor}, open
      </button>
      {naming && <NameDialog onClose={() => setNaming(false)} />}
    </div>
  );
}

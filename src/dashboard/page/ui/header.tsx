/** Top of the page: title, connection state, navigation, help and user. */
import { useEffect, useState } from "preact/hooks";
import type { Session } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { logout, ownName, setOwnName } from "../session/session.ts";
import { nextTheme, theme } from "../session/theme.ts";
import { href, views } from "../state/address.ts";
import { go } from "../state/navigate.ts";
import { Dialog, Field, Question } from "./dialog.tsx";
import { Button, Icon, IconButton } from "./icon.tsx";
import { LiveSign } from "./notices.tsx";
import { setShortcuts, shortcutsOn } from "./shortcuts.ts";
import { useAddress, usePage, useStore } from "./useStore.ts";

export function Header({ session, onHelp }: { session: Session; onHelp: () => void }) {
  return (
    <header class="top">
      <div class="frame top-row">
        <a class="skip" href="#content">
          Skip to the content
        </a>
        <a class="wordmark" href="/" aria-label="UEE mirror, overview">
          UEE <span>mirror</span>
        </a>
        <LiveSign />
        <Views />
        <SearchBox />
        <div class="tools">
          <ThemeButton />
          <IconButton sign="key" label="Keyboard and help" title="Keyboard and help (?)" onClick={onHelp} />
          <Person session={session} />
        </div>
      </div>
    </header>
  );
}

function Views() {
  const { view: now } = useAddress();
  const deadLetters = usePage(({ fleet }) => fleet.overview?.deadLetters ?? 0);
  return (
    <nav class="views" aria-label="Pages">
      {views.map(({ view, path, title, key }) => (
        <a
          key={view}
          href={path}
          title={`${title} (${key})`}
          aria-current={view === now ? "page" : undefined}
        >
          {title}
          {view === "dead-letters" && deadLetters > 0 && <span class="count-chip">{count(deadLetters)}</span>}
        </a>
      ))}
      <a href="/queues" target="_blank" rel="noreferrer" title="Bull Board, read-only, in a new tab">
        Queues <Icon sign="external" />
      </a>
    </nav>
  );
}

/** One field for every record; its key is `/`. */
function SearchBox() {
  const { view, id, query } = useAddress();
  const asked = view === "records" && id === null ? (query.q ?? "") : "";
  const [text, setText] = useState(asked);
  useEffect(() => setText(asked), [asked]);
  const search = (event: Event): void => {
    event.preventDefault();
    const wanted = text.trim();
    if (wanted === "") return;
    // What has the form of an id leads to its record; anything else is searched.
    const isId = /^(v2e::|(cve-\d|cwe-\d|capec-\d)[\w-]*$|[tgmsc]\d{4}(\.\d{3})?$|ta\d{4}$)/i.test(wanted);
    go(
      isId
        ? href("records", wanted.startsWith("v2e::") ? wanted : wanted.toUpperCase())
        : href("records", null, { q: wanted }),
    );
  };
  return (
    <search class="search">
      <form onSubmit={search}>
        <input
          id="search"
          type="search"
          aria-label="Search records"
          placeholder="CVE, CWE, T1059, a name ( / )"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          autocomplete="off"
          spellcheck={false}
          maxLength={200}
        />
      </form>
    </search>
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
    <IconButton
      sign={sign}
      label={`Theme: ${name}. Change`}
      title={`Theme: ${name} (t)`}
      onClick={nextTheme}
    />
  );
}

function Person({ session }: { session: Session }) {
  const [naming, setNaming] = useState(false);
  if (session.tokenRequired) {
    return (
      <div class="person">
        <span title="Stored with all your actions">{session.actor}</span>
        <Button onClick={() => void logout().catch(() => undefined)}>Log out</Button>
      </div>
    );
  }
  return (
    <div class="person">
      <Button
        title="No token is set: every user of this machine has full access. Enter your name, which is stored with your actions."
        onClick={() => setNaming(true)}
      >
        {session.actor}, open
      </Button>
      {naming && <NameDialog onClose={() => setNaming(false)} />}
    </div>
  );
}

/** An open dashboard has no login; a user can still enter a name for actions. */
function NameDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState(ownName());
  return (
    <Dialog title="Your name" onClose={onClose}>
      <Question onClose={onClose} yes="Keep" onYes={() => setOwnName(name.trim())}>
        <p>
          No token is set (<code>UEE_API_TOKEN</code>): this dashboard answers on this machine only, and every
          user of this machine may do everything. Your name is kept with what you do.
        </p>
        <Field
          label="Name"
          value={name}
          onValue={setName}
          input={{
            ...{ "data-focus": "", maxLength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9 ._@+\\-]*" },
            title: "Letters, digits, spaces and . _ @ + -",
          }}
        />
      </Question>
    </Dialog>
  );
}

const keys: readonly (readonly [string, string])[] = [
  ["j  k", "Next, previous source"],
  ["s", "Start the source in focus"],
  ["p", "Pause it"],
  ["r", "Resume it"],
  ["x", "Stop it"],
  ["/", "Search records"],
  ["f", "Filter the dead letters"],
  ["t", "Theme: system, light, dark"],
  ["?", "This window"],
  ["Esc", "Close a window; nothing is done"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const on = useStore(shortcutsOn, (value) => value);
  return (
    <Dialog title="Keyboard and help" onClose={onClose}>
      <dl class="keys">
        {[...views.map(({ key, title }) => [key, title] as const), ...keys].map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={on}
          onChange={({ currentTarget }) => setShortcuts(currentTarget.checked)}
        />
        Single keys are on
      </label>
      <p class="muted">
        Every action works from the command line too: <code>uee pause cve --reason …</code>,{" "}
        <code>uee dlq list</code>, <code>uee permits resize</code>.
      </p>
    </Dialog>
  );
}

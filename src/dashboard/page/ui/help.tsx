/** Keyboard shortcuts, and links to the documentation. */
import { Dialog } from "./dialog.tsx";
import { sections, setShortcuts, shortcutsOn } from "./shortcuts.ts";
import { useStore } from "./useStore.ts";

const keys: readonly (readonly [string, string])[] = [
  ["j  k", "Next, previous provider"],
  ["s", "Start the provider that has the focus"],
  ["p", "Pause it"],
  ["r", "Resume it"],
  ["x", "Stop it"],
  ["/", "Filter the dead letters"],
  ["t", "Theme: system, light, dark"],
  ["?", "This window"],
  ["Esc", "Close a window; nothing is done"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const on = useStore(shortcutsOn, (value) => value);
  return (
    <Dialog title="Keyboard and help" onClose={onClose}>
      <dl class="keys">
        {sections.map(({ key, name }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
        {keys.map(([key, does]) => (
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
        Times are yours; hover over one for the exact time and UTC. Every action works from the command line
        too: <code>uee pause cve --reason …</code>, <code>uee dlq list</code>, <code>uee permits resize</code>
        .
      </p>
    </Dialog>
  );
}

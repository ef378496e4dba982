/** The first line: what needs attention, or that nothing does. */
import { useEffect } from "preact/hooks";
import { needsOf, titleOf } from "../state/attention.ts";
import { Icon } from "./icon.tsx";
import { jumpTo } from "./shortcuts.ts";
import { usePage } from "./useStore.ts";

export function Attention() {
  const fleet = usePage((state) => state.fleet);
  const phase = usePage(({ link }) => link.phase);
  const needs = needsOf(fleet);
  const title = titleOf(needs, fleet.overview?.macro.state, phase === "live" || phase === "connecting");
  useEffect(() => {
    document.title = title;
  }, [title]);
  if (fleet.overview === null) return null;
  return (
    <section class="attention" aria-label="What needs a person">
      {needs.length === 0 ? (
        <p class="attention-none muted">
          <Icon sign="check" /> Nothing needs you.
        </p>
      ) : (
        <div role="status">
          <ul>
            {needs.map(({ tone, head, text, target }) => (
              <li key={`${target}/${head}`} class={`need tone-${tone}`}>
                <Icon sign={tone === "bad" ? "cross" : "alert"} />
                <a
                  href={`#${target}`}
                  onClick={(event) => {
                    event.preventDefault();
                    jumpTo(target);
                  }}
                >
                  {head}
                </a>
                <span class="need-text" title={text}>
                  {text}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

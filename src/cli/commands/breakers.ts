import type { BreakerView, Engine } from "../../engine/api.ts";
import { parseProvider, person } from "../arguments.ts";
import { answer, command, jsonOption, type Look, reasonOption } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { formatAge, formatCount, formatRough, oneLine, plural } from "../render/text.ts";

export const breakers = command({
  name: "breakers",
  summary: "show the upstreams' circuit breakers: which are open, why and until when",
  description:
    "Five consecutive failed calls open an upstream's breaker for the whole fleet: no request is sent until its open period ends; " +
    "then one request probes for the fleet (docs/breakers.md).",
  options: jsonOption,
  examples: [
    "uee breakers",
    "uee breakers --json | jq '.breakers[] | select(.state != \"closed\")'",
    'uee breakers reset cve --reason "NVD is back"',
  ],
  async run(context, flags) {
    const ask = async (engine: Engine) => ({ breakers: await engine.breakers() });
    await answer(context, flags, ask, (found, look) => breakerTable(found.breakers, look));
  },
  commands: [
    command({
      name: "reset",
      description:
        "Closes a provider's breaker early, for the whole fleet. Use it when you know that the upstream works again. " +
        "If it does not, the next five failures open it again.",
      arguments: { "<provider>": "the provider of the upstream" },
      options: { ...reasonOption, ...jsonOption },
      examples: ['uee breakers reset cve --reason "the proxy is back"'],
      async run(context, flags, [word]) {
        const provider = await parseProvider(context, word!);
        const by = person(context, flags.reason);
        const ask = async (engine: Engine) => {
          const { changed, view } = await engine.resetBreaker(provider, by);
          return { changed, breaker: view };
        };
        await answer(context, flags, ask, ({ changed, breaker: { upstream } }, { style }) => [
          changed
            ? `The breaker of ${style.bold(upstream)} is ${style.green("closed")}: calls go through again.`
            : `The breaker of ${style.bold(upstream)} is closed already.`,
        ]);
      },
    }),
  ],
});

const stateText = ({ state }: BreakerView): string => state.replace("_", " ");

/** What happens next: `probes in 26 s`, `desk:7 probes`, `the next call probes`. */
function nextText({ state, remainingMs, probe }: BreakerView): string {
  if (state === "closed") return "-";
  if (probe) return `${oneLine(probe.by)} probes`;
  return remainingMs > 0 ? `probes in ${formatRough(remainingMs)}` : "the next call probes";
}

function breakerTable(views: readonly BreakerView[], look: Look): string[] {
  const { style, now } = look;
  const paints = { closed: style.green, open: style.red, half_open: style.yellow };
  return renderTable<BreakerView>(
    views,
    [
      { title: "upstream", value: ({ upstream }) => upstream, paint: style.bold },
      { title: "state", value: stateText, paint: (text, { state }) => paints[state](text) },
      { title: "since", value: ({ openedAt: at }) => (at === null ? "-" : formatAge(at, now)), dropFirst: 3 },
      { title: "next", value: nextText },
      {
        ...{ title: "failed in a row", align: "right", dropFirst: 4 },
        value: ({ consecutiveFailures }) => formatCount(consecutiveFailures),
      },
      { title: "calls", align: "right", value: ({ counts }) => formatCount(counts.calls), dropFirst: 5 },
      {
        ...{ title: "refused", align: "right", dropFirst: 6 },
        value: ({ counts }) => formatCount(counts.rejections),
      },
      { title: "opened", align: "right", value: ({ opens }) => formatCount(opens), dropFirst: 7 },
      {
        title: "last failure",
        value: ({ lastFailure: last }) =>
          last === null ? "-" : `${formatAge(last.at, now)}, ${last.code}: ${last.message}`,
        shrinkTo: 24,
      },
    ],
    look,
  );
}

/** `circuit breaker open for 4 min after 5 failures in a row, probes in 26 s`; undefined while closed. */
export function breakerTrouble(view: BreakerView, now: number): string | undefined {
  const { state, openedAt, consecutiveFailures, lastFailure } = view;
  if (state === "closed") return undefined;
  const since = openedAt === null ? "" : ` for ${formatRough(now - Date.parse(openedAt))}`;
  const last = lastFailure === null ? "" : `, the last ${lastFailure.code}`;
  const failures = `${plural(consecutiveFailures, "failure")} in a row${last}`;
  return `circuit breaker ${stateText(view)}${since} after ${failures}; ${nextText(view)}`;
}

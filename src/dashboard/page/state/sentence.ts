/** The state of the mirror in one sentence, and what belongs to it. */
import type { Overview, OverviewProvider } from "../../api/schemas.ts";
import { count, percent, plural, rough } from "../lib/figures.ts";

export interface Sentence {
  head: string;
  detail: string;
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

const troubles = {
  paused: "paused",
  failed: "failed in the last run",
  incomplete: "incomplete since the last run",
  unreconciled: "not equal to its feeds",
  stale: "stale",
} as const;

export function sentenceOf({ providers }: Overview, now: number): Sentence {
  const verified = providers.filter((one) => one.verified);
  const loading = providers.filter(({ openRun, verified: once }) => openRun !== null && !once);
  const never = providers.filter((one) => !one.verified && one.openRun === null);
  const troubled = Object.entries(troubles).flatMap(([kind, words]) => {
    const names = providers.filter(({ problems }) => problems.some((one) => one.kind === kind));
    if (names.length === 0) return [];
    return [`${listed(names.map(({ provider }) => provider))} ${names.length > 1 ? "are" : "is"} ${words}`];
  });
  const detail = detailOf(providers, now);
  const trouble =
    troubled.length > 1 ? `${troubled.slice(0, -1).join("; ")}; and ${troubled.at(-1)}` : troubled[0];
  if (loading.length > 0) {
    const head = `Loading for the first time: ${listed(loading.map(loadingText))}`;
    return { head: trouble === undefined ? head : `${head}; ${trouble}`, detail };
  }
  if (verified.length === 0 && trouble === undefined) return { head: "Nothing is mirrored yet", detail };
  if (trouble !== undefined) return { head: `Not all is well: ${trouble}`, detail };
  if (never.length > 0) {
    const named = (some: readonly OverviewProvider[], words: string) =>
      some.length === 0 ? [] : [`${listed(some.map(({ provider }) => provider))} (${words})`];
    const parts = [
      ...named(
        never.filter(({ records }) => records > 0),
        "not verified",
      ),
      ...named(
        never.filter(({ records }) => records === 0),
        "never loaded",
      ),
    ];
    return { head: `Complete except ${parts.join(" and ")}`, detail };
  }
  return { head: `Complete and ${freshText(verified, now)} fresh${feedsText(providers, now)}`, detail };
}

const loadingText = ({ provider, progress }: OverviewProvider): string => {
  // The number and its unit stay on one line.
  const share =
    progress?.share === null || progress === null ? "" : ` ${percent(progress.share).replace(" ", "\u00a0")}`;
  return `${provider}${share}`;
};

/** The first source is the one that moves all day; the others come once a day. */
function freshText(verified: readonly OverviewProvider[], now: number): string {
  const at = verified[0]?.verifiedAt;
  return at ? rough(Math.max(0, now - Date.parse(at))) : "";
}

function feedsText(providers: readonly OverviewProvider[], now: number): string {
  const found = providers.find(({ reconciled }) => reconciled !== null)?.reconciled;
  if (!found) return "";
  const { unexplained, stale, missing, extra, repaired, asOf } = found;
  if (unexplained + stale + missing + extra - repaired > 0) return "";
  const today = new Date(now).toDateString() === new Date(asOf).toDateString();
  return `; equal to NVD's feeds of ${today ? "today" : asOf.slice(0, 10)}`;
}

function detailOf(providers: readonly OverviewProvider[], now: number): string {
  const verified = providers.filter((one) => one.verified).length;
  const running = providers.filter(({ openRun }) => openRun !== null).length;
  const letters = providers.reduce((sum, { deadLetters }) => sum + deadLetters.entries, 0);
  const next = providers
    .filter(({ machine, nextRun }) => nextRun !== null && machine.state !== "PAUSED")
    .map(({ provider, nextRun }) => ({ provider, at: Date.parse(nextRun?.at ?? "") }))
    .sort((a, b) => a.at - b.at)[0];
  return [
    `${verified} of ${plural(providers.length, "source")} verified`,
    running > 0 && `${plural(running, "run")} open`,
    letters > 0 && `${count(letters)} dead ${letters === 1 ? "letter" : "letters"}`,
    next !== undefined && next.at > now && `next run in ${rough(next.at - now)} (${next.provider})`,
  ]
    .filter((text) => text !== false)
    .join(", ");
}

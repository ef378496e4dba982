/** What needs an operator's attention, most urgent first: the page's first line, and its title. */
import type { OverviewProvider } from "../../api/schemas.ts";
import type { Tone } from "../lib/machineStates.ts";
import type { Fleet } from "./fleet.ts";

export interface Need {
  tone: Extract<Tone, "bad" | "warn">;
  /** Short: the title of a browser tab. */
  head: string;
  text: string;
  /** Id of the element that shows it. */
  target: string;
}

const heads: Record<OverviewProvider["problems"][number]["kind"], string> = {
  paused: "paused",
  failed: "failed",
  incomplete: "incomplete",
  dead_letters: "has dead letters",
  stale: "is stale",
  overdue: "is overdue",
  unverified: "is unverified",
};

export function needsOf({ overview, workers, breakers }: Fleet): Need[] {
  if (overview === null) return [];
  const troubled = overview.providers.flatMap(({ provider, problems }) =>
    problems
      // The tree shows it for each provider; before the first load it needs no attention.
      .filter(({ kind }) => kind !== "unverified")
      .map(
        ({ kind, severity, text, remedy }): Need => ({
          tone: severity,
          head: `${provider} ${heads[kind]}`,
          text: `${text[0]!.toUpperCase()}${text.slice(1)}. ${remedy.replaceAll("`", "")}`,
          target: kind === "dead_letters" ? "dead-letters" : `provider-${provider}`,
        }),
      ),
  );
  const idle: Need[] =
    overview.workers > 0
      ? []
      : [
          {
            tone: overview.stranded ? "bad" : "warn",
            head: "no worker lives",
            text: `${overview.stranded ? "Jobs wait. " : ""}Nothing runs until one starts: uee worker.`,
            target: "workers",
          },
        ];
  const dead = (workers ?? []).filter(({ health }) => health === "dead");
  const died: Need[] =
    dead.length > 0
      ? [
          {
            tone: "warn",
            head: dead.length === 1 ? "a worker died" : `${dead.length} workers died`,
            text: `${dead.map(({ id }) => id).join(", ")}. Their batches run elsewhere; see why they died.`,
            target: "workers",
          },
        ]
      : [];
  const open = (breakers ?? [])
    .filter(({ state }) => state === "open")
    .map(
      ({ upstream, lastFailure }): Need => ({
        tone: "warn",
        head: `${upstream}: breaker open`,
        text:
          lastFailure === null
            ? "Its upstream is not called."
            : `${lastFailure.code}: ${lastFailure.message}`,
        target: "breakers",
      }),
    );
  const trouble: Need[] =
    overview.redis.trouble === null
      ? []
      : [{ tone: "bad", head: "Redis in trouble", text: overview.redis.trouble, target: "tree" }];
  return [...trouble, ...idle, ...troubled, ...open, ...died].sort((a, b) => urgency(a) - urgency(b));
}

const urgency = ({ tone }: Need): number => (tone === "bad" ? 0 : 1);

/** `(2) cve paused · UEE`, `UEE · STABILIZING`, `no connection · UEE`. */
export function titleOf(needs: readonly Need[], macro: string | undefined, live: boolean): string {
  if (!live) return "no connection · UEE";
  const first = needs[0];
  if (first !== undefined) return `(${needs.length}) ${first.head} · UEE`;
  return macro === undefined ? "UEE" : `${macro.toLowerCase()} · UEE`;
}

/** What needs an operator's attention, most urgent first: the page's first line, and its title. */
import type { OverviewProvider } from "../../api/schemas.ts";
import type { Tone } from "../lib/machineStates.ts";
import { href } from "./address.ts";
import type { Fleet } from "./fleet.ts";

export interface Need {
  tone: Extract<Tone, "bad" | "warn">;
  /** Short: the title of a browser tab. */
  head: string;
  text: string;
  /** Address of what shows it. */
  target: string;
}

const heads: Record<OverviewProvider["problems"][number]["kind"], string> = {
  paused: "paused",
  failed: "failed",
  incomplete: "incomplete",
  dead_letters: "has dead letters",
  unreconciled: "differs from its feeds",
  stale: "is stale",
  overdue: "is overdue",
  unverified: "is unverified",
};

const fleetPart = (id: string): string => `${href("fleet")}#${id}`;

export function needsOf({ overview, workers, breakers }: Fleet): Need[] {
  if (overview === null) return [];
  const needs: Need[] = [];
  const need = (tone: Need["tone"], head: string, text: string, target: string) =>
    needs.push({ tone, head, text, target });
  if (overview.redis.trouble !== null) need("bad", "Redis in trouble", overview.redis.trouble, href("fleet"));
  if (overview.workers === 0) {
    const text = `${overview.stranded ? "Jobs wait. " : ""}Nothing runs until one starts: \`uee worker\`.`;
    need(overview.stranded ? "bad" : "warn", "no live worker", text, fleetPart("workers"));
  }
  for (const { provider, problems, lastRun } of overview.providers) {
    for (const { kind, severity, text, remedy } of problems) {
      // The tree shows it for each provider; before the first load it needs no attention.
      if (kind === "unverified") continue;
      // Names of sources stay as they are written.
      const begin = text.startsWith(provider) ? text : `${text[0]!.toUpperCase()}${text.slice(1)}`;
      const said = `${begin.replace(/\.$/, "")}. ${remedy}`;
      const run = kind === "failed" || kind === "incomplete" ? lastRun?.runId : undefined;
      const target =
        kind === "dead_letters"
          ? href("dead-letters", null, { provider })
          : run === undefined
            ? `${href("overview")}#provider-${provider}`
            : href("runs", run);
      need(severity, `${provider} ${heads[kind]}`, said, target);
    }
  }
  for (const { upstream, state, lastFailure } of breakers ?? []) {
    if (state !== "open") continue;
    const why =
      lastFailure === null ? "Its upstream is not called." : `${lastFailure.code}: ${lastFailure.message}`;
    need("warn", `${upstream}: breaker open`, why, fleetPart("breakers"));
  }
  const dead = (workers ?? []).filter(({ health }) => health === "dead");
  if (dead.length > 0) {
    const ids = dead.map(({ id }) => id).join(", ");
    const one = dead.length === 1;
    const head = one ? "a worker died" : `${dead.length} workers died`;
    const text = `${ids}: ${one ? "its" : "their"} batches run elsewhere; the list of workers says why ${one ? "it" : "they"} died.`;
    need("warn", head, text, fleetPart("workers"));
  }
  return needs.sort((a, b) => Number(a.tone === "warn") - Number(b.tone === "warn"));
}

/** `(2) cve paused · UEE`, `stabilizing · UEE`, `(2) Runs · UEE`, `no connection · UEE`. */
export function titleOf(
  needs: readonly Need[],
  macro: string | undefined,
  live: boolean,
  /** Name of the view; null for the overview. */
  name: string | null = null,
): string {
  if (!live) return "no connection · UEE";
  const first = needs[0];
  if (name !== null) return `${needs.length > 0 ? `(${needs.length}) ` : ""}${name} · UEE`;
  if (first !== undefined) return `(${needs.length}) ${first.head} · UEE`;
  return macro === undefined ? "UEE" : `${macro.toLowerCase()} · UEE`;
}

/** What the processes wrote: lines that the verifier wants, and whether anything secret is among them. */
import { readFileSync } from "node:fs";
import { filesBelow } from "../../support/liveFiles.ts";
import type { HistoryEvent } from "../history.ts";

const wanted =
  /"event":"(upstream_wait|repair|permit_lost|worker_ready|queue_stopped|run_closed|stop_late)"|could not be told/;

/** Lines of interest; and whatever is no log line at all: a process that fell over says so there. */
export function* logEvents(file: string): Generator<HistoryEvent> {
  for (const text of readFileSync(file, "utf8").split("\n")) {
    if (text === "") continue;
    if (!text.startsWith("{")) {
      yield { t: 0, k: "log", pid: 0, line: { event: "no_log_line", text: text.slice(0, 500) } };
    } else if (wanted.test(text) || text.includes('"level":60')) {
      const line = JSON.parse(text) as Record<string, unknown>;
      yield { t: Date.parse(String(line.time)), k: "log", pid: Number(line.pid), line };
    }
  }
}

/** Looks for the texts in every file below. */
export function searchFiles(
  places: Record<string, string>,
  secrets: readonly string[],
): { searched: Record<string, number>; found: string[] } {
  const searched: Record<string, number> = {};
  const found: string[] = [];
  for (const [place, directory] of Object.entries(places)) {
    searched[place] = 0;
    for (const { name, bytes } of filesBelow(directory)) {
      searched[place] += bytes.length;
      for (const secret of secrets) {
        const at = bytes.indexOf(secret);
        if (at < 0) continue;
        const around = bytes.subarray(Math.max(0, at - 120), at).toString("latin1");
        found.push(`${place}/${name}: …${around.replaceAll(/[^\x20-\x7e]/g, ".")}<the secret>`);
      }
    }
  }
  return { searched, found };
}

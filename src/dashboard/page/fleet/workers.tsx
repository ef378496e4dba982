/** Live workers with their last heartbeats, and for ten minutes also dead ones. */
import { Fragment } from "preact";
import type { Worker } from "../../api/schemas.ts";
import { bytes, milliseconds, plural, rough } from "../lib/figures.ts";
import { type Look, look } from "../lib/machineStates.ts";
import { DataPanel, Empty, Moment, StateBadge } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";

const looks: Readonly<Record<Worker["health"], Look>> = {
  live: look("good", "check", "Heartbeats arrive on time, every 10 s."),
  late: look("warn", "clock", "A heartbeat is missing."),
  dead: look("bad", "cross", "Three heartbeats are missing, or its process is gone."),
};

export function Workers() {
  const workers = usePage(({ fleet }) => fleet.workers);
  return (
    <DataPanel
      id="workers"
      title="Workers"
      data={workers}
      loading={[2, "the workers"]}
      away={["The workers cannot be read", "Their heartbeats are stored in Redis."]}
      aside={(all) => {
        const count = (wanted: Worker["health"]) => all.filter(({ health }) => health === wanted).length;
        const [live, late] = [count("live"), count("late")];
        return (
          <span class="muted">
            {live + late === 0 ? "none live" : `${live} live`}
            {late > 0 && <span class="text-warn">, {late} late</span>}
          </span>
        );
      }}
    >
      {(all) =>
        all.length === 0 ? (
          <Empty title="No live worker">
            Start one with <code>uee worker</code>, or everything at once with <code>uee up</code>.
          </Empty>
        ) : (
          <ul class="rows" aria-label="Workers">
            {all.map((worker) => (
              <Line key={worker.id} worker={worker} />
            ))}
          </ul>
        )
      }
    </DataPanel>
  );
}

const signals: Readonly<Record<string, number>> = {
  SIGINT: 2,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** `was ended by SIGKILL` → `Killed by signal 9 (SIGKILL): out of memory, or a person.` */
function endOf(ended: string | null): string {
  if (ended === null) return "Its heartbeats stopped; no supervisor on this host saw why.";
  const [, signal] = /^was ended by (SIG\w+)$/.exec(ended) ?? [];
  if (signal === undefined) return `Its process ${ended}.`;
  const why =
    signal === "SIGKILL" ? ": by the kernel for want of memory, by its supervisor or by a person" : "";
  return `Killed by signal ${signals[signal] ?? "?"} (${signal})${why}.`;
}

const vitalsOf = (vitals: NonNullable<Worker["vitals"]>): string[] => [
  plural(vitals.activeBatches, "batch", "batches"),
  `answers in ${milliseconds(vitals.responseMs)}`,
  `loop delay ${milliseconds(vitals.loopDelayP99Ms)}`,
  bytes(vitals.rssBytes),
  `last fetch ${rough(vitals.lastFetchAgeMs)} ago`,
];

function Line({ worker }: { worker: Worker }) {
  const { id, host, pid, version, startedAt, lastBeatAt, missedBeats, health, state, ended, vitals } = worker;
  const now = useNow();
  const upMs = Math.max(0, now - Date.parse(startedAt));
  return (
    <li class={health === "dead" ? "worker-dead" : undefined} title={`${id}, version ${version}`}>
      <StateBadge state={health === "live" && state !== "ready" ? state : health} look={looks[health]} />
      <span class="row-main">
        <strong>{host}</strong>, pid {pid}
      </span>
      <span class="muted row-end">
        heartbeat <Moment at={lastBeatAt} />
        {missedBeats > 0 && (
          <span class={health === "dead" ? undefined : "text-warn"}>, {missedBeats} missed</span>
        )}
      </span>
      {health === "dead" && <span class="row-note text-bad">{endOf(ended)}</span>}
      {health !== "dead" && (
        <span class="row-note muted">
          {[`up ${rough(upMs)}`, ...(vitals === null ? ["no figures yet"] : vitalsOf(vitals))].map(
            (part, i, all) => (
              <Fragment key={part}>
                <span class="nowrap">{i < all.length - 1 ? `${part},` : part}</span>{" "}
              </Fragment>
            ),
          )}
        </span>
      )}
    </li>
  );
}

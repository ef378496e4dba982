/** Live workers with their last heartbeats, and for ten minutes also dead ones. */
import type { Worker } from "../../api/schemas.ts";
import { bytes, milliseconds, plural, rough } from "../lib/figures.ts";
import type { Look } from "../lib/machineStates.ts";
import { Empty, Loading, Moment, Panel, StateBadge } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";

const looks: Readonly<Record<Worker["health"], Look>> = {
  live: { tone: "good", sign: "check", means: "Heartbeats arrive on time, every 10 s." },
  late: { tone: "warn", sign: "clock", means: "A heartbeat is missing." },
  dead: { tone: "bad", sign: "cross", means: "Three heartbeats are missing, or its process is gone." },
};

export function Workers() {
  const workers = usePage(({ fleet }) => fleet.workers);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const count = (wanted: Worker["health"]): number =>
    (workers ?? []).filter(({ health }) => health === wanted).length;
  const [live, late] = [count("live"), count("late")];
  return (
    <Panel
      id="workers"
      title="Workers"
      busy={workers === null}
      aside={
        workers !== null && (
          <span class="muted">
            {live + late === 0 ? "none lives" : `${live} live`}
            {late > 0 && <span class="text-warn">, {late} late</span>}
          </span>
        )
      }
    >
      {workers === null ? (
        away ? (
          <Empty title="Workers cannot be seen">They announce themselves in Redis.</Empty>
        ) : (
          <Loading lines={2} what="the workers" />
        )
      ) : workers.length === 0 ? (
        <Empty title="No worker lives">
          Start one with <code>uee worker</code>, or everything at once with <code>uee up</code>.
        </Empty>
      ) : (
        <ul class="rows" aria-label="Workers">
          {workers.map((worker) => (
            <Line key={worker.id} worker={worker} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Line({ worker }: { worker: Worker }) {
  const { id, host, pid, version, startedAt, lastBeatAt, missedBeats, health, state, vitals } = worker;
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
        {missedBeats > 0 && <span class="text-warn">, {missedBeats} missed</span>}
      </span>
      {health !== "dead" && (
        <span class="row-note muted">
          {vitals === null
            ? "no figures yet"
            : `${plural(vitals.activeBatches, "batch", "batches")}, answers in ${milliseconds(vitals.responseMs)}, loop delay ${milliseconds(vitals.loopDelayP99Ms)}, ${bytes(vitals.rssBytes)}, last fetch ${rough(vitals.lastFetchAgeMs)} ago`}
          , up {rough(upMs)}
        </span>
      )}
    </li>
  );
}

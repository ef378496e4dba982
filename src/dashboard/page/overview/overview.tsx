/** Is it all there, how fresh is it, what needs a person: a sentence, and a row for every source. */
import { useState } from "preact/hooks";
import type { Overview as OverviewData } from "../../api/schemas.ts";
import { useSeries } from "../fleet/overTime.tsx";
import { bytes, count, percent, plural } from "../lib/figures.ts";
import { start } from "../live/actions.ts";
import { sentenceOf } from "../state/sentence.ts";
import { Dialog, Question, ReasonField } from "../ui/dialog.tsx";
import { Attention } from "../ui/notices.tsx";
import { DataPanel } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";
import { Source } from "./source.tsx";

export function Overview() {
  const overview = usePage(({ fleet }) => fleet.overview);
  const [throughput] = useSeries(["throughput"], "24h").answer ?? [];
  return (
    <>
      {overview !== null && <Sentence overview={overview} />}
      <Attention />
      {overview !== null && neverRan(overview) && <FirstRun overview={overview} />}
      <DataPanel
        id="sources"
        title="Sources"
        data={overview}
        loading={[8, "the sources"]}
        away={["Nothing to show yet", "Redis has not answered since this page was opened."]}
        aside={(all) => <Totals overview={all} />}
      >
        {(all) => (
          <ul class="sources" aria-label="Sources">
            <li class="sources-head muted small" aria-hidden="true">
              <span class="head-spark">records/s, 24 h</span>
              <span class="head-strip">last 90 runs, the newest on the right</span>
            </li>
            {all.providers.map((provider) => (
              <Source
                key={provider.provider}
                provider={provider}
                pace={throughput?.lines.find((line) => line.provider === provider.provider)?.values ?? null}
              />
            ))}
          </ul>
        )}
      </DataPanel>
    </>
  );
}

function Sentence({ overview }: { overview: OverviewData }) {
  const now = useNow();
  const { head, detail } = sentenceOf(overview, now);
  return (
    <div class="sentence">
      <h1>{head}</h1>
      <p class="muted">{detail}</p>
    </div>
  );
}

function Totals({ overview: { providers, permits, redis, workers } }: { overview: OverviewData }) {
  const records = providers.reduce((sum, provider) => sum + provider.records, 0);
  const tight = redis.maxMemory > 0 && redis.usedMemory / redis.maxMemory > 0.9;
  return (
    <span class="muted">
      {plural(records, "record")}, {workers === 0 ? "no worker" : plural(workers, "worker")},{" "}
      {permits.allocated} of {plural(permits.effective, "permit")} in use,{" "}
      <span
        class={tight ? "text-warn" : undefined}
        title={
          redis.maxMemory > 0
            ? `${percent(redis.usedMemory / redis.maxMemory)} of the memory of Redis ${redis.version}, ${redis.persistence}`
            : `Redis ${redis.version}, ${redis.persistence}; no memory limit is set`
        }
      >
        {bytes(redis.usedMemory)} in Redis
      </span>
    </span>
  );
}

const neverRan = ({ providers }: OverviewData): boolean =>
  providers.every(({ openRun, lastRun, records }) => openRun === null && lastRun === null && records === 0);

/** What to do on the first day, and how long it takes. */
function FirstRun({ overview }: { overview: OverviewData }) {
  const [asked, setAsked] = useState(false);
  const { workers, providers } = overview;
  return (
    <section class="panel" aria-labelledby="first-title">
      <h2 id="first-title">Four steps to a complete mirror</h2>
      <ol class="steps">
        <li>
          <strong>A worker.</strong>{" "}
          {workers > 0 ? (
            <span class="text-good">{plural(workers, "worker")} live.</span>
          ) : (
            <>
              Start one: <code>uee worker</code>, or everything on this machine: <code>uee up</code>.
            </>
          )}
        </li>
        <li>
          <strong>A check of the surroundings.</strong> <code>uee doctor</code> tests Redis, its memory,
          proxies and every source.
        </li>
        <li>
          <strong>The first load.</strong> About 5 minutes, with or without an NVD key, since CVE begins with
          NVD's year feeds. Where these are out of reach, its API is read page by page: about 20 minutes
          without a key, 5 with <code>NVD_API_KEY</code>.{" "}
          <button type="button" class="button button-main button-small" onClick={() => setAsked(true)}>
            Start all
          </button>
        </li>
        <li>
          <strong>Then read.</strong> Search above, or <code>uee get CVE-2021-44228</code>; schedules keep
          everything fresh.
        </li>
      </ol>
      {asked && (
        <StartAll names={providers.map(({ provider }) => provider)} onClose={() => setAsked(false)} />
      )}
    </section>
  );
}

function StartAll({ names, onClose }: { names: readonly string[]; onClose: () => void }) {
  const [reason, setReason] = useState("first load");
  const begin = async (): Promise<void> => {
    for (const name of names) await start(name, { mode: "full", reason });
  };
  return (
    <Dialog title="Start all sources" onClose={onClose}>
      <Question onClose={onClose} yes={`Start ${count(names.length)} full runs`} onYes={begin}>
        <p>
          A full run of {names.join(", ")}. They share the workers and permits; each can be paused or stopped
          by itself.
        </p>
        <ReasonField reason={reason} onReason={setReason} focus="at first" />
      </Question>
    </Dialog>
  );
}

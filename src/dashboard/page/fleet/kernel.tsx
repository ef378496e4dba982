/** The kernel metrics compared with the optimizer's thresholds, and their history. */
import { useState } from "preact/hooks";
import type { KernelMetrics, QuotaEvent } from "../../api/schemas.ts";
import { milliseconds, percent, rate } from "../lib/figures.ts";
import type { KernelSample } from "../state/fleet.ts";
import { Bar, DataPanel, Fact, Segments } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";
import { Plot, type PlotMark } from "./plot.tsx";
import type { Point } from "./series.ts";

/** The optimizer revokes permits when one of them is exceeded in two consecutive checks. */
const thresholds = { p99Ms: 30, saturation: 0.8 } as const;
const ranges: readonly (readonly [number, string])[] = [
  [10, "10 min"],
  [30, "30 min"],
  [120, "2 h"],
];

export function Kernel() {
  const kernel = usePage(({ fleet }) => fleet.kernel);
  return (
    <DataPanel
      id="kernel"
      title="Kernel"
      data={kernel}
      loading={[5, "the kernel metrics"]}
      away={["No figures", "They are stored in Redis."]}
      aside={(figures) => <Verdict kernel={figures} />}
    >
      {(figures) => (
        <>
          <Gauges kernel={figures} />
          <Plots />
        </>
      )}
    </DataPanel>
  );
}

function Verdict({ kernel }: { kernel: KernelMetrics }) {
  const slow = kernel.p99_latency_ms > thresholds.p99Ms;
  const full = kernel.buffer_saturation > thresholds.saturation;
  if (kernel.active_workers === 0) return <span class="muted">no worker reports</span>;
  if (!slow && !full) return <span class="text-good">within its thresholds</span>;
  return (
    <span class="text-warn">
      {[slow && "slow", full && "full"].filter(Boolean).join(" and ")}: over threshold
    </span>
  );
}

function Gauges({ kernel }: { kernel: KernelMetrics }) {
  const { p99_latency_ms: p99, buffer_saturation: saturation } = kernel;
  return (
    <>
      <Gauge
        label="p99 latency"
        hint="99th percentile of the fleet's last 1,000 control operations"
        text={milliseconds(p99)}
        share={p99 / (thresholds.p99Ms * 2)}
        limit={0.5}
        limitText={milliseconds(thresholds.p99Ms)}
        over={p99 > thresholds.p99Ms}
      />
      <Gauge
        label="Buffer"
        hint="Fetched and not yet committed, as a share of the bound"
        text={percent(saturation)}
        share={saturation}
        limit={thresholds.saturation}
        limitText={percent(thresholds.saturation)}
        over={saturation > thresholds.saturation}
      />
      <dl class="facts facts-kernel">
        <Fact label="Jobs settled" hint="Over the last minute">
          {rate(kernel.message_rate)}
        </Fact>
        <Fact label="Errors" hint="Jobs that spent an attempt or failed permanently, over the last minute">
          {rate(kernel.error_rate)}
        </Fact>
        <Fact label="Workers">{kernel.active_workers}</Fact>
        <Fact label="Permits free">
          {kernel.available_permits} of {kernel.total_permits}
        </Fact>
      </dl>
    </>
  );
}

interface GaugeProps {
  label: string;
  hint: string;
  text: string;
  share: number;
  limit: number;
  limitText: string;
  over: boolean;
}

const Gauge = ({ label, hint, text, share, limit, limitText, over }: GaugeProps) => (
  <div class="gauge" title={hint}>
    <span>{label}</span>
    <Bar
      {...{ share, limit, label }}
      text={`${text}, threshold ${limitText}`}
      tone={over ? "warn" : "active"}
    />
    <span class={`gauge-value${over ? " text-warn" : ""}`}>
      {text}
      <span class={over ? undefined : "muted"}>
        , {over ? "over" : "limit"} {limitText}
      </span>
    </span>
  </div>
);

const markOf = ({ at, kind, permits, reason }: QuotaEvent): PlotMark => ({
  at: Date.parse(at),
  text: `${kind} ${permits}: ${reason}`,
});

function Plots() {
  const samples = usePage(({ fleet }) => fleet.samples);
  const intervalMs = usePage(({ fleet }) => fleet.sampleIntervalMs);
  const quotaEvents = usePage(({ fleet }) => fleet.quotaEvents);
  const now = useNow();
  const [minutes, setMinutes] = useState<number>(30);
  const [cursor, setCursor] = useState<number | null>(null);
  const points = (pick: (sample: KernelSample) => number): Point[] =>
    samples.map((sample) => ({ at: Date.parse(sample.at), value: pick(sample) }));
  const shared = {
    cursor,
    onCursor: setCursor,
    from: now - minutes * 60_000,
    to: now,
    gapMs: intervalMs * 3,
    marks: (quotaEvents ?? []).map(markOf),
  };
  return (
    <div class="plots">
      <Segments label="Time shown" value={minutes} choices={ranges} onChoose={setMinutes} />
      <Plot
        {...shared}
        title="p99 latency"
        points={points((sample) => sample.p99_latency_ms)}
        format={milliseconds}
        threshold={thresholds.p99Ms}
        least={thresholds.p99Ms * 1.5}
      />
      <Plot
        {...shared}
        title="Buffer saturation"
        points={points((sample) => sample.buffer_saturation)}
        format={percent}
        threshold={thresholds.saturation}
        least={1}
      />
    </div>
  );
}

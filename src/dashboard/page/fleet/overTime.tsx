/** What the fleet did over hours and weeks: four plots with one time axis and one cross-hair. */
import { useState } from "preact/hooks";
import type { Series } from "../../api/schemas.ts";
import { bytes, rate } from "../lib/figures.ts";
import { ask, query, useAnswer } from "../live/http.ts";
import { refine } from "../state/navigate.ts";
import { ErrorText } from "../ui/notices.tsx";
import { Loading, Panel, Segments } from "../ui/parts.tsx";
import { useAddress, useNow, usePage } from "../ui/useStore.ts";
import { Plot } from "./plot.tsx";
import { summed } from "./series.ts";

const ranges = [
  ["1h", "1 h"],
  ["6h", "6 h"],
  ["24h", "24 h"],
  ["7d", "7 d"],
  ["8w", "8 weeks"],
] as const;
type Range = (typeof ranges)[number][0];

const plots = [
  { name: "throughput", title: "Records", format: (value: number) => rate(value), least: 1 },
  { name: "requests", title: "Requests", format: (value: number) => rate(value), least: 0.1 },
  { name: "errors", title: "Errors", format: (value: number) => rate(value), least: 0.1 },
  { name: "redis_memory", title: "Memory of Redis", format: bytes, least: 1024 * 1024 },
] as const;

/** Reads series again every half minute, while Redis answers. */
export function useSeries(names: readonly Series["name"][], range: Range) {
  const halfMinute = Math.floor(useNow() / 30_000);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const read = (signal: AbortSignal) =>
    Promise.all(
      names.map((name) => ask<Series>("GET", `/api/series${query({ name, range })}`, undefined, signal)),
    );
  return useAnswer(away ? null : read, [range, halfMinute, away]);
}

export function OverTime() {
  const wanted = useAddress().query.range;
  const range = ranges.find(([one]) => one === wanted)?.[0] ?? "24h";
  const [cursor, setCursor] = useState<number | null>(null);
  const { answer, error } = useSeries(
    plots.map(({ name }) => name),
    range,
  );
  return (
    <Panel
      id="over-time"
      title="Over time"
      busy={answer === null}
      aside={
        <Segments
          label="Time shown"
          value={range}
          choices={ranges}
          onChoose={(value) => refine({ range: value })}
        />
      }
    >
      {error !== null ? (
        <ErrorText error={error} />
      ) : answer === null ? (
        <Loading lines={6} what="the plots" />
      ) : (
        <div class="halves">
          {plots.map(({ title, ...plot }, i) => {
            const series = answer[i];
            if (series === undefined) return null;
            const from = Date.parse(series.from);
            const steps = series.lines[0]?.values.length ?? 0;
            return (
              <Plot
                key={plot.name}
                {...plot}
                title={title}
                points={summed(series)}
                from={from}
                to={from + steps * series.stepMs}
                gapMs={series.stepMs * 1.5}
                cursor={cursor}
                onCursor={setCursor}
                detail={(at) => detailOf(series, at, plot.format)}
              />
            );
          })}
        </div>
      )}
    </Panel>
  );
}

/** `, cve 20/s, attack 3/s`: the sources that did something at that time. */
function detailOf({ from, stepMs, lines }: Series, at: number, format: (value: number) => string): string {
  const step = Math.round((at - Date.parse(from)) / stepMs);
  const own = lines
    .map(({ provider, values }) => ({ provider, value: values[step] ?? 0 }))
    .filter(({ provider, value }) => provider !== null && value > 0)
    .sort((a, b) => b.value - a.value);
  return own.length < 2 ? "" : own.map(({ provider, value }) => `, ${provider} ${format(value)}`).join("");
}

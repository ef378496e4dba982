/** What the fleet did over hours and weeks: four plots with one time axis and one cross-hair. */
import { useState } from "preact/hooks";
import type { Series } from "../../api/schemas.ts";
import { bytes, rate } from "../lib/figures.ts";
import { query, useGets } from "../live/http.ts";
import { refine } from "../state/navigate.ts";
import { AnswerPanel } from "../ui/answer.tsx";
import { Segments } from "../ui/parts.tsx";
import { useAddress, useHalfMinute } from "../ui/useStore.ts";
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
  { name: "redis_memory", title: "Memory of Redis", format: bytes, least: 1024 ** 2, unit: 1024 ** 2 },
] as const;

/** Reads series again every half minute, while Redis answers. */
export const useSeries = (names: readonly Series["name"][], range: Range) =>
  useGets<Series[]>(
    names.map((name) => `/api/series${query({ name, range })}`),
    useHalfMinute(),
  );

export function OverTime() {
  const wanted = useAddress().query.range;
  const range = ranges.find(([one]) => one === wanted)?.[0] ?? "24h";
  const [cursor, setCursor] = useState<number | null>(null);
  const read = useSeries(
    plots.map(({ name }) => name),
    range,
  );
  return (
    <AnswerPanel
      id="over-time"
      title="Over time"
      of={read}
      loading={[6, "the plots"]}
      aside={
        <Segments
          label="Time shown"
          value={range}
          choices={ranges}
          onChoose={(value) => refine({ range: value })}
        />
      }
    >
      {(answer) => (
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
    </AnswerPanel>
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

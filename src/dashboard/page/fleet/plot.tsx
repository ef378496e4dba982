/** A small plot: one value over time, its threshold, and the decisions about permits. */
import { useId, useState } from "preact/hooks";
import { clockTime } from "../lib/figures.ts";
import type { KernelSample } from "../state/fleet.ts";
import { nearest, niceTop, type Point, stretches } from "./series.ts";

export interface PlotMark {
  at: number;
  kind: "revoke" | "restore" | "resize";
  text: string;
}

export interface PlotProps {
  title: string;
  samples: readonly KernelSample[];
  pick: (sample: KernelSample) => number;
  format: (value: number) => string;
  threshold: number;
  /** Minimum end of the axis. */
  least: number;
  from: number;
  to: number;
  gapMs: number;
  marks: readonly PlotMark[];
}

const width = 360;
const height = 104;
const top = 8;
const bottom = 14;
const inner = height - top - bottom;

export function Plot({ title, samples, pick, format, threshold, least, from, to, gapMs, marks }: PlotProps) {
  const [at, setAt] = useState<number | null>(null);
  const clip = useId();
  const lines = stretches(samples, pick, { from, to, gapMs, most: width / 2 });
  const values = lines.flat();
  const greatest = values.reduce((most, { value }) => Math.max(most, value), 0);
  const upper = niceTop(greatest, least);
  const x = (ms: number): number => ((ms - from) / (to - from)) * width;
  const y = (value: number): number => top + inner * (1 - Math.min(1, value / upper));
  const found = at === null ? undefined : nearest(samples, at, (to - from) / 12);
  const pointAt = (clientX: number, box: DOMRect): void =>
    setAt(from + ((clientX - box.left) / box.width) * (to - from));
  const over = values.filter(({ value }) => value > threshold).length;
  const summary =
    values.length === 0
      ? `${title}: no samples in this time.`
      : `${title}: now ${format(values.at(-1)?.value ?? 0)}, at most ${format(greatest)}, threshold ${format(threshold)}, ${over === 0 ? "never passed" : "passed"}.`;
  return (
    <figure class="plot">
      <figcaption>
        <span>{title}</span>
        <span class="plot-reading">
          {found
            ? `${clockTime(Date.parse(found.at), to)}: ${format(pick(found))}`
            : values.length > 0
              ? `at most ${format(greatest)}`
              : ""}
        </span>
      </figcaption>
      <div class="plot-area">
        <svg
          viewBox={`0 0 ${width} ${height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={summary}
          onPointerMove={({ clientX, currentTarget }) =>
            pointAt(clientX, currentTarget.getBoundingClientRect())
          }
          onPointerLeave={() => setAt(null)}
        >
          <defs>
            <clipPath id={clip}>
              <rect x="0" y="0" width={width} height={height} />
            </clipPath>
          </defs>
          <line class="plot-base" x1="0" x2={width} y1={top + inner} y2={top + inner} />
          <rect class="plot-over" x="0" y={top} width={width} height={Math.max(0, y(threshold) - top)} />
          <line class="plot-threshold" x1="0" x2={width} y1={y(threshold)} y2={y(threshold)} />
          <g clip-path={`url(#${clip})`}>
            {lines.map((line) => (
              <Line key={line[0]?.at} line={line} x={x} y={y} floor={top + inner} />
            ))}
            {marks
              .filter((mark) => mark.at >= from && mark.at <= to)
              .map((mark) => (
                <line
                  key={`${mark.at}`}
                  class={`plot-mark plot-mark-${mark.kind}`}
                  x1={x(mark.at)}
                  x2={x(mark.at)}
                  y1={top}
                  y2={top + inner}
                >
                  <title>{mark.text}</title>
                </line>
              ))}
            {found && (
              <line
                class="plot-cursor"
                x1={x(Date.parse(found.at))}
                x2={x(Date.parse(found.at))}
                y1={top}
                y2={top + inner}
              />
            )}
          </g>
        </svg>
        <span class="plot-top">{format(upper)}</span>
        <span class="plot-limit" style={{ top: `${(y(threshold) / height) * 100}%` }}>
          {format(threshold)}
        </span>
        {values.length === 0 && <span class="plot-none">No samples: no worker lived</span>}
      </div>
      <div class="plot-ends muted" aria-hidden="true">
        <span>{clockTime(from, to)}</span>
        <span>now</span>
      </div>
    </figure>
  );
}

function Line({
  line,
  x,
  y,
  floor,
}: {
  line: Point[];
  x: (ms: number) => number;
  y: (value: number) => number;
  floor: number;
}) {
  const first = line[0];
  const last = line.at(-1);
  if (first === undefined || last === undefined) return null;
  const path = line
    .map(({ at, value }, i) => `${i === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  // A single sample is drawn as a point; a line of length zero would be invisible.
  const end = line.length === 1 ? `h1` : "";
  return (
    <>
      <path class="plot-fill" d={`${path}V${floor}H${x(first.at).toFixed(1)}Z`} />
      <path class="plot-line" d={`${path}${end}`} />
    </>
  );
}

/** A plot: one value over time, its threshold if it has one, and marks. Plots beside each other share their cross-hair. */
import { useId } from "preact/hooks";
import { clockTime, dayTime, exactTime } from "../lib/figures.ts";
import { nearest, niceTop, type Point, stretches } from "./series.ts";

export interface PlotMark {
  at: number;
  text: string;
}

export interface PlotProps {
  title: string;
  points: readonly Point[];
  format: (value: number) => string;
  /** The axis ends at a round number of these. Default 1. */
  unit?: number;
  threshold?: number;
  /** Minimum end of the axis. */
  least: number;
  from: number;
  to: number;
  gapMs: number;
  marks?: readonly PlotMark[];
  /** Time under the pointer, in any of the plots. */
  cursor: number | null;
  onCursor: (at: number | null) => void;
  /** What the reading says of a point beside its value. */
  detail?: (at: number) => string;
}

const width = 360;
const height = 104;
const top = 8;
const bottom = 14;
const inner = height - top - bottom;
const quarters = [0.25, 0.5, 0.75] as const;

export function Plot(props: PlotProps) {
  const { title, points, format, threshold, least, from, to, gapMs, marks = [], cursor, onCursor } = props;
  const clip = useId();
  const lines = stretches(points, { from, to, gapMs, most: width / 2 });
  const values = lines.flat();
  const greatest = values.reduce((most, { value }) => Math.max(most, value), 0);
  const upper = niceTop(greatest, least, props.unit);
  const x = (ms: number): number => ((ms - from) / (to - from)) * width;
  const y = (value: number): number => top + inner * (1 - Math.min(1, value / upper));
  const found = cursor === null ? undefined : nearest(values, cursor, (to - from) / 12);
  const pointAt = (clientX: number, box: DOMRect): void =>
    onCursor(from + ((clientX - box.left) / box.width) * (to - from));
  const time = to - from > 12 * 3_600_000 ? dayTime : (at: number): string => clockTime(at, to);
  return (
    <figure class="plot">
      <figcaption>
        <span>{title}</span>
        <span class="plot-reading">
          {found
            ? `${time(found.at)}: ${format(found.value)}${props.detail?.(found.at) ?? ""}`
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
          aria-label={summaryOf(props, values, greatest)}
          onPointerMove={({ clientX, currentTarget }) =>
            pointAt(clientX, currentTarget.getBoundingClientRect())
          }
          onPointerLeave={() => onCursor(null)}
        >
          <defs>
            <clipPath id={clip}>
              <rect x="0" y="0" width={width} height={height} />
            </clipPath>
          </defs>
          {quarters.map((share) => (
            <line
              key={share}
              class="plot-tick"
              x1={share * width}
              x2={share * width}
              y1={top}
              y2={top + inner}
            />
          ))}
          <line class="plot-tick" x1="0" x2={width} y1={top + inner / 2} y2={top + inner / 2} />
          <line class="plot-base" x1="0" x2={width} y1={top + inner} y2={top + inner} />
          {threshold !== undefined && (
            <line class="plot-threshold" x1="0" x2={width} y1={y(threshold)} y2={y(threshold)} />
          )}
          <g clip-path={`url(#${clip})`}>
            {lines.map((line) => (
              <Line key={line[0]?.at} line={line} x={x} y={y} floor={top + inner} />
            ))}
            {marks
              .filter((mark) => mark.at >= from && mark.at <= to)
              .map((mark) => (
                <line
                  key={`${mark.at}`}
                  class="plot-mark"
                  x1={x(mark.at)}
                  x2={x(mark.at)}
                  y1={top}
                  y2={top + inner}
                >
                  <title>{mark.text}</title>
                </line>
              ))}
            {cursor !== null && (
              <line class="plot-cursor" x1={x(cursor)} x2={x(cursor)} y1={top} y2={top + inner} />
            )}
          </g>
        </svg>
        <span class="plot-top">{format(upper)}</span>
        {threshold !== undefined && (
          <span class="plot-limit" style={{ top: `${(y(threshold) / height) * 100}%` }}>
            {format(threshold)}
          </span>
        )}
        {values.length === 0 && <span class="plot-none">No samples: no worker lived</span>}
      </div>
      <div class="plot-ends" aria-hidden="true">
        <span title={exactTime(from)}>{time(from)}</span>
        <span title={exactTime(from + (to - from) / 2)}>{time(from + (to - from) / 2)}</span>
        <span>now</span>
      </div>
    </figure>
  );
}

function summaryOf(
  { title, format, threshold }: PlotProps,
  values: readonly Point[],
  greatest: number,
): string {
  if (values.length === 0) return `${title}: no samples in this time.`;
  const passed = values.some(({ value }) => threshold !== undefined && value > threshold);
  const limit =
    threshold === undefined ? "" : `, threshold ${format(threshold)}, ${passed ? "passed" : "never passed"}`;
  return `${title}: now ${format(values.at(-1)?.value ?? 0)}, at most ${format(greatest)}${limit}.`;
}

interface LineProps {
  line: Point[];
  x: (ms: number) => number;
  y: (value: number) => number;
  floor: number;
}

function Line({ line, x, y, floor }: LineProps) {
  const first = line[0];
  if (first === undefined) return null;
  const path = line
    .map(({ at, value }, i) => `${i === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  // A single sample is drawn as a point; a line of length zero would be invisible.
  const end = line.length === 1 ? "h1" : "";
  return (
    <>
      <path class="plot-fill" d={`${path}V${floor}H${x(first.at).toFixed(1)}Z`} />
      <path class="plot-line" d={`${path}${end}`} />
    </>
  );
}

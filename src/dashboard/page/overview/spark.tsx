/** The throughput of a source over the last day, as a small line. */
import { rate } from "../lib/figures.ts";

const width = 96;
const height = 24;

export function Spark({ provider, values }: { provider: string; values: readonly (number | null)[] }) {
  const greatest = Math.max(0, ...values.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number | null): number =>
    height - 1 - ((value ?? 0) / Math.max(greatest, 1)) * (height - 2);
  const path = values
    .map((value, i) => `${i === 0 ? "M" : "L"}${(i * step).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Throughput of ${provider} in 24 h: at most ${rate(greatest, "records")}`}
    >
      <title>{`Records a second in the last 24 h, at most ${rate(greatest)}`}</title>
      <path class="spark-fill" d={`${path}V${height}H0Z`} />
      <path d={path} />
    </svg>
  );
}

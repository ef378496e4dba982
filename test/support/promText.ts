/** Reads Prometheus' text format. */
export interface Metric {
  name: string;
  help: string;
  type: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

export function readMetrics(text: string): Map<string, Metric> {
  const metrics = new Map<string, Metric>();
  let current: Metric | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    if (help) {
      if (metrics.has(help[1]!)) throw new Error(`${help[1]} is told twice`);
      current = { name: help[1]!, help: help[2]!, type: "", samples: [] };
      metrics.set(current.name, current);
      continue;
    }
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) {
      if (current?.name !== type[1]) throw new Error(`a type without its help: ${line}`);
      current!.type = type[2]!;
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!sample || !current || !sample[1]!.startsWith(current.name))
      throw new Error(`not understood: ${line}`);
    const labels = Object.fromEntries(
      [...(sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]),
    ) as Record<string, string>;
    current.samples.push({ name: sample[1]!, labels, value: Number(sample[3]) });
  }
  return metrics;
}

/** The value of the sample with these labels; undefined where there is none. */
export const sampleOf = (
  metrics: Map<string, Metric>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  metrics
    .get(name)
    ?.samples.find((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    ?.value;

/** The graph around a record: a column for each kind, lines between records that name each other. Each record is a link. */
import { useEffect, useRef } from "preact/hooks";
import type { Trace } from "../../api/schemas.ts";
import { plural } from "../lib/figures.ts";
import { href } from "../state/address.ts";

type Node = Trace["nodes"][number];

/** From what is exploited to how: the order in which records lead to each other. */
const order = ["about", "cve", "cwe", "capec", "attack"];
/** What is about a record stands in one column. */
const columnOf = (provider: string): string => (["kev", "epss"].includes(provider) ? "about" : provider);
const titles: Readonly<Record<string, string>> = {
  about: "Exploited, probability",
  cve: "Vulnerabilities",
  cwe: "Weaknesses",
  capec: "Attack patterns",
  attack: "Techniques",
};

const box = { width: 200, height: 40, across: 240, down: 48, top: 32 } as const;
const mostInColumn = 12;

interface Placed extends Node {
  x: number;
  y: number;
}

/** Columns and rows of what fits: first the root, what it is tied to, and what leads on to the next column. */
function layout({ root, nodes, edges }: Pick<Trace, "root" | "nodes" | "edges">): {
  placed: Placed[];
  columns: { provider: string; x: number; left: number }[];
  width: number;
  height: number;
} {
  const providers = [...new Set(nodes.map(({ provider }) => columnOf(provider)))].sort(
    (a, b) => place(a) - place(b) || (a < b ? -1 : 1),
  );
  const providerOf = new Map(nodes.map(({ urn, provider }) => [urn, columnOf(provider)]));
  const weights = new Map<string, number>([[root, 4]]);
  const weigh = (urn: string, weight: number): unknown =>
    weights.set(urn, Math.max(weight, weights.get(urn) ?? 0));
  for (const { from, to } of edges) {
    if (from === root) weigh(to, 2);
    if (to === root) weigh(from, 2);
    if (place(providerOf.get(to) ?? "") > place(providerOf.get(from) ?? "")) weigh(from, 1);
  }
  const placed: Placed[] = [];
  const columns = providers.map((provider, column) => {
    const own = nodes
      .filter((node) => columnOf(node.provider) === provider)
      .sort((a, b) => (weights.get(b.urn) ?? 0) - (weights.get(a.urn) ?? 0));
    const x = column * box.across;
    own.slice(0, mostInColumn).forEach((node, row) => {
      placed.push({ ...node, x, y: box.top + row * box.down });
    });
    return { provider, x, left: Math.max(0, own.length - mostInColumn) };
  });
  const rows = Math.max(
    ...providers.map((one) => placed.filter(({ provider }) => columnOf(provider) === one).length),
  );
  const more = columns.some(({ left }) => left > 0) ? 24 : 0;
  return {
    placed,
    columns,
    width: (providers.length - 1) * box.across + box.width,
    height: box.top + rows * box.down + more,
  };
}

const place = (provider: string): number => {
  const at = order.indexOf(provider);
  return at < 0 ? order.length : at;
};

const short = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;

/** Where the graph is wider than the window, the record itself is shown first, also after the window was resized. */
function useRootInView() {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    const section = ref.current;
    const root = section?.querySelector(".graph-root");
    if (!section || !root) return;
    const watcher = new ResizeObserver(() => {
      const { left, width } = root.getBoundingClientRect();
      const hidden = left - section.getBoundingClientRect().left - (section.clientWidth - width) / 2;
      section.scrollLeft += hidden;
    });
    watcher.observe(section);
    return () => watcher.disconnect();
  }, []);
  return ref;
}

export function Graph({ trace }: { trace: Trace }) {
  const { placed, columns, width, height } = layout(trace);
  const at = new Map(placed.map((node) => [node.urn, node]));
  const section = useRootInView();
  const missing = trace.nodes.some(({ name }) => name === null);
  const left = Object.values(trace.more).reduce((sum, many) => sum + many, 0);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section ref={section} class="graph" tabIndex={0} aria-label="The graph around the record">
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="presentation">
          {trace.edges.map((edge) => (
            <Edge key={`${edge.from} ${edge.to} ${edge.relation}`} edge={edge} at={at} root={trace.root} />
          ))}
          {columns.map(({ provider, x, left: hidden }) => (
            <g key={provider}>
              <text class="graph-title" x={x} y="16">
                {titles[provider] ?? provider}
              </text>
              {hidden > 0 && (
                <text class="graph-title" x={x} y={height - 8}>
                  and {hidden} more
                </text>
              )}
            </g>
          ))}
          {placed.map((node) => (
            <NodeBox key={node.urn} node={node} root={node.urn === trace.root} />
          ))}
        </svg>
      </section>
      <p class="muted small">
        Select a record to open it.
        {missing && " The mirror has no record of those with a dashed border."}
        {left > 0 && (
          <>
            {" "}
            {plural(left, "further record")} {left === 1 ? "is" : "are"} not shown;{" "}
            <code>uee trace --limit</code> shows more.
          </>
        )}
        {trace.incomplete && ` Still being indexed: ${trace.incomplete.join(", ")}.`}
      </p>
    </>
  );
}

interface EdgeProps {
  edge: Trace["edges"][number];
  at: ReadonlyMap<string, Placed>;
  root: string;
}

function Edge({ edge: { from, to, relation }, at, root }: EdgeProps) {
  const a = at.get(from);
  const b = at.get(to);
  if (a === undefined || b === undefined) return null;
  const [left, right] = a.x <= b.x ? [a, b] : [b, a];
  const middle = box.height / 2;
  const same = left.x === right.x;
  const x1 = left.x + box.width;
  const x2 = same ? right.x + box.width : right.x;
  const bend = same ? 32 : (x2 - x1) / 2;
  const path = `M${x1} ${left.y + middle}C${x1 + bend} ${left.y + middle} ${same ? x2 + bend : x2 - bend} ${right.y + middle} ${x2} ${right.y + middle}`;
  return (
    <path class={from === root || to === root ? "graph-edge graph-near" : "graph-edge"} d={path}>
      <title>{`${a.id} ${relation} ${b.id}`}</title>
    </path>
  );
}

function NodeBox({ node: { urn, provider, id, alias, name, x, y }, root }: { node: Placed; root: boolean }) {
  const label = columnOf(provider) === "about" ? provider.toUpperCase() : (alias ?? id);
  const second = name ?? "not in the mirror";
  const content = (
    <>
      <rect x={x + 0.5} y={y + 0.5} width={box.width - 1} height={box.height - 1} rx="6">
        <title>{`${alias ?? id}${name === null ? "" : `: ${name}`}`}</title>
      </rect>
      <text class="graph-id" x={x + 12} y={y + 17}>
        {short(label, 24)}
      </text>
      <text class="graph-name" x={x + 12} y={y + 32}>
        {short(second, 26)}
      </text>
    </>
  );
  return name === null || root ? (
    <g class={root ? "graph-node graph-root" : "graph-node graph-missing"}>{content}</g>
  ) : (
    <a class="graph-node" href={href("records", urn)}>
      {content}
    </a>
  );
}

/** Renders the permit pool. Its times are ms since the epoch, by Redis TIME. */
import type { PoolSize } from "../../permits/permitPool.ts";
import type {
  AuditFinding,
  AuditReport,
  PermitHolding,
  PoolView,
  ProviderPermits,
} from "../../permits/report.ts";
import { oneLine } from "./machine.ts";
import { formatCount, formatDuration, formatRough, plural } from "./numbers.ts";
import type { Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

interface Look {
  style: Style;
  width: number;
}

const number = <Row>(
  title: string,
  value: (row: Row) => number,
  { style }: Look,
  more: Partial<Column<Row>> = {},
): Column<Row> => ({
  title,
  align: "right",
  value: (row) => formatCount(value(row)),
  paint: (text, row) => (value(row) === 0 ? style.dim(text) : text),
  ...more,
});

function poolLines(view: PoolView, { style }: Look): string[] {
  const lines = [
    `${style.bold("Permits")}  ${formatCount(view.allocated)} of ${formatCount(view.effective)} held, ` +
      `${formatCount(view.available)} free` +
      (view.waiting > 0 ? style.yellow(`, ${plural(view.waiting, "batch", "batches")} waiting`) : ""),
  ];
  if (view.revoked > 0) {
    lines.push(
      style.yellow(
        `${formatCount(view.revoked)} of ${formatCount(view.configured ?? 0)} revoked by the optimizer; ` +
          "`uee history` says why",
      ),
    );
  }
  if (view.askedBack > 0) lines.push(style.yellow(`${plural(view.askedBack, "held permit")} asked back`));
  if (view.holdUntil !== null) {
    const left = formatRough(view.holdUntil - view.at);
    lines.push(style.yellow(`Redis restarted: nothing is granted for ${left} more`));
  }
  return lines;
}

function providerTable(rows: readonly ProviderPermits[], look: Look): string[] {
  return renderTable<ProviderPermits>(
    rows,
    [
      { title: "provider", value: (row) => row.provider, paint: (text) => look.style.bold(text) },
      number("held", (row) => row.held, look),
      number("asked back", (row) => row.askedBack, look, { dropFirst: 4 }),
      number("waiting", (row) => row.waiting, look),
      {
        title: "for",
        align: "right",
        value: (row) => (row.waiting > 0 ? formatDuration(row.waitingMs) : "-"),
        dropFirst: 2,
      },
      {
        title: "permit time",
        align: "right",
        value: (row) => formatDuration(row.permitTimeMs),
        dropFirst: 1,
      },
    ],
    { width: look.width, header: look.style.dim },
  );
}

function holderTable(view: PoolView, look: Look): string[] {
  return renderTable<PermitHolding>(
    view.holders,
    [
      { title: "holder", value: (row) => oneLine(row.owner), shrinkTo: 12 },
      { title: "provider", value: (row) => row.provider, paint: (text) => look.style.bold(text) },
      {
        title: "asked back",
        value: (row) => (row.askedBack ? "yes" : "no"),
        paint: (text, row) => (row.askedBack ? look.style.yellow(text) : look.style.dim(text)),
        dropFirst: 2,
      },
      { title: "held for", align: "right", value: (row) => formatDuration(view.at - row.since) },
      {
        title: "lease ends in",
        align: "right",
        value: (row) => formatDuration(row.expiresAt - view.at),
        dropFirst: 1,
      },
      { title: "lease", value: (row) => row.lease, shrinkTo: 12, dropFirst: 3 },
    ],
    { width: look.width, header: look.style.dim },
  );
}

export function renderPool(view: PoolView, look: Look): string {
  if (view.configured === null) {
    return "The pool has not been used yet; the first worker creates it with the size of UEE_PERMITS.\n";
  }
  const lines = poolLines(view, look);
  if (view.providers.length > 0) lines.push("", ...providerTable(view.providers, look));
  if (view.holders.length > 0) lines.push("", ...holderTable(view, look));
  if (view.truncated) lines.push(look.style.dim("There are more holders than listed."));
  return `${lines.join("\n")}\n`;
}

export function renderResize(size: PoolSize, { style }: Look): string {
  const before =
    size.effectiveBefore === size.effective ? "" : ` (${formatCount(size.effectiveBefore)} before)`;
  const lines = [
    size.changed
      ? `The pool now has ${style.bold(plural(size.configured, "permit"))}; ` +
        `${formatCount(size.effective)} may be held${before}, ${formatCount(size.allocated)} are.`
      : `The pool has ${plural(size.configured, "permit")} already.`,
  ];
  if (size.askedBack > 0) {
    lines.push(
      style.yellow(
        `${plural(size.askedBack, "permit")} asked back: given back within one lease and one grace, 24 s.`,
      ),
    );
  }
  return `${lines.join("\n")}\n`;
}

export function renderAudit(report: AuditReport, look: Look): string {
  const { style, width } = look;
  const looked = `${plural(report.leases, "lease")} and ${plural(report.waiters, "waiter")} counted`;
  if (report.drift === 0) return `${style.green("No drift:")} ${looked}.\n`;
  const table = renderTable<AuditFinding>(
    report.findings,
    [
      { title: "finding", value: (row) => row.kind, paint: (text) => style.red(text) },
      { title: "of", value: (row) => oneLine(row.subject), shrinkTo: 12 },
      { title: "stored", value: (row) => oneLine(row.stored), shrinkTo: 8 },
      { title: "right", value: (row) => oneLine(row.right), shrinkTo: 8 },
    ],
    { width, header: style.dim },
  );
  const more = report.drift - report.findings.length;
  if (more > 0) table.push(style.dim(`and ${formatCount(more)} more`));
  const verdict = report.repaired
    ? `${style.green("Repaired:")} ${plural(report.drift, "finding")}; ${looked}.`
    : `${style.red("Drift:")} ${plural(report.drift, "finding")}; ${looked}. \`uee permits audit --repair\` repairs them.`;
  return `${[...table, "", verdict].join("\n")}\n`;
}

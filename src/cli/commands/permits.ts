import type { PoolSize } from "../../permits/permitPool.ts";
import type {
  AuditFinding,
  AuditReport,
  PermitHolding,
  PoolView,
  ProviderPermits,
} from "../../permits/report.ts";
import { parseCount, person } from "../arguments.ts";
import { answer, command, jsonOption, type Look, reasonOption } from "../command.ts";
import { EXIT } from "../exits.ts";
import { type Column, renderTable } from "../render/table.ts";
import { formatCount, formatDuration, formatRough, plural } from "../render/text.ts";

/** Maximum size of the pool. */
const mostPermits = 4_096;

export const permits = command({
  name: "permits",
  summary: "show and change the fleet's permit pool",
  description:
    "A permit is the right to process one batch; the whole fleet shares one pool (docs/permits.md).",
  commands: [
    command({
      name: "show",
      description: "Shows the pool's size, what each provider holds and waits for, and the holders.",
      options: jsonOption,
      examples: ["uee permits show", "uee permits show --json | jq '{effective, allocated, waiting}'"],
      async run(context, flags) {
        await answer(context, flags, (engine) => engine.permits.show(), poolLines);
      },
    }),
    command({
      name: "resize",
      description:
        "Sets the size of the pool at once and permanently: UEE_PERMITS only applies to a new pool. Permits held beyond " +
        "the new size are asked back.",
      arguments: { "<n>": `permits, 1 to ${mostPermits}` },
      options: { ...reasonOption, ...jsonOption },
      examples: ['uee permits resize 4 --reason "Redis is shared this week"', "uee permits resize 10"],
      async run(context, flags, [text]) {
        const size = parseCount(text!, "The size", { max: mostPermits });
        const by = person(context, flags.reason);
        await answer(context, flags, (engine) => engine.permits.resize(size, by), sizeLines);
      },
    }),
    command({
      name: "audit",
      description: "Recounts leases and waiters; exit 1 when the stored figures disagree.",
      options: { "--repair": "repair the figures that disagree; then exit 0", ...jsonOption },
      examples: ["uee permits audit           for monitoring", "uee permits audit --repair"],
      async run(context, flags) {
        const how = { repair: flags.repair === true, actor: person(context).actor };
        const report = await answer(context, flags, (engine) => engine.permits.audit(how), auditLines);
        return report.drift > 0 && !report.repaired ? EXIT.failed : EXIT.done;
      },
    }),
  ],
});

/** Its times are ms since the epoch, by Redis TIME. */
function poolLines(view: PoolView, look: Look): string[] {
  const { style } = look;
  const { configured, revoked, holdUntil, waiting, askedBack } = view;
  if (configured === null) {
    return ["The pool has not been used yet; the first worker creates it with the size of UEE_PERMITS."];
  }
  const held = `${formatCount(view.allocated)} of ${formatCount(view.effective)} held`;
  const waits = waiting > 0 ? style.yellow(`, ${plural(waiting, "batch", "batches")} waiting`) : "";
  const lines = [`${style.bold("Permits")}  ${held}, ${formatCount(view.available)} free${waits}`];
  const say = (when: boolean, text: string) => when && lines.push(style.yellow(text));
  say(
    revoked > 0,
    `${formatCount(revoked)} of ${formatCount(configured)} revoked by the optimizer; \`uee history\` says why`,
  );
  say(askedBack > 0, `${plural(askedBack, "held permit")} asked back`);
  say(
    holdUntil !== null,
    `Redis restarted: nothing is granted for ${formatRough((holdUntil ?? 0) - view.at)} more`,
  );
  if (view.providers.length > 0) lines.push("", ...providerTable(view.providers, look));
  if (view.holders.length > 0) lines.push("", ...holderTable(view, look));
  if (view.truncated) lines.push(style.dim("There are more holders than listed."));
  return lines;
}

function providerTable(rows: readonly ProviderPermits[], look: Look): string[] {
  const { style } = look;
  const number = (
    title: string,
    value: (row: ProviderPermits) => number,
    dropFirst?: number,
  ): Column<ProviderPermits> => ({
    ...{ title, align: "right", dropFirst },
    value: (row) => formatCount(value(row)),
    paint: (text, row) => (value(row) === 0 ? style.dim(text) : text),
  });
  return renderTable<ProviderPermits>(
    rows,
    [
      { title: "provider", value: (row) => row.provider, paint: style.bold },
      number("held", (row) => row.held),
      number("asked back", (row) => row.askedBack, 4),
      number("waiting", (row) => row.waiting),
      {
        ...{ title: "for", align: "right", dropFirst: 2 },
        value: (row) => (row.waiting > 0 ? formatDuration(row.waitingMs) : "-"),
      },
      {
        ...{ title: "permit time", align: "right", dropFirst: 1 },
        value: (row) => formatDuration(row.permitTimeMs),
      },
    ],
    look,
  );
}

function holderTable({ holders, at }: PoolView, look: Look): string[] {
  const { style } = look;
  return renderTable<PermitHolding>(
    holders,
    [
      { title: "holder", value: (row) => row.owner, shrinkTo: 12 },
      { title: "provider", value: (row) => row.provider, paint: style.bold },
      {
        ...{ title: "asked back", dropFirst: 2 },
        value: (row) => (row.askedBack ? "yes" : "no"),
        paint: (text, row) => (row.askedBack ? style.yellow(text) : style.dim(text)),
      },
      { title: "held for", align: "right", value: (row) => formatDuration(at - row.since) },
      {
        ...{ title: "lease ends in", align: "right", dropFirst: 1 },
        value: (row) => formatDuration(row.expiresAt - at),
      },
      { title: "lease", value: (row) => row.lease, shrinkTo: 12, dropFirst: 3 },
    ],
    look,
  );
}

function sizeLines(size: PoolSize, { style }: Look): string[] {
  const { configured, effective, effectiveBefore, askedBack } = size;
  if (!size.changed) return [`The pool has ${plural(configured, "permit")} already.`];
  const before = effectiveBefore === effective ? "" : ` (${formatCount(effectiveBefore)} before)`;
  const lines = [
    `The pool now has ${style.bold(plural(configured, "permit"))}; ` +
      `${formatCount(effective)} may be held${before}, ${formatCount(size.allocated)} are.`,
  ];
  const asked = `${plural(askedBack, "permit")} asked back: given back within one lease and one grace, 24 s.`;
  return askedBack > 0 ? [...lines, style.yellow(asked)] : lines;
}

function auditLines(report: AuditReport, look: Look): string[] {
  const { style } = look;
  const { findings, drift } = report;
  const counted = `${plural(report.leases, "lease")} and ${plural(report.waiters, "waiter")} counted`;
  if (drift === 0) return [`${style.green("No drift:")} ${counted}.`];
  const table = renderTable<AuditFinding>(
    findings,
    [
      { title: "finding", value: (row) => row.kind, paint: style.red },
      { title: "of", value: (row) => row.subject, shrinkTo: 12 },
      { title: "stored", value: (row) => row.stored, shrinkTo: 8 },
      { title: "right", value: (row) => row.right, shrinkTo: 8 },
    ],
    look,
  );
  const more = drift - findings.length;
  const rest = more > 0 ? [style.dim(`and ${formatCount(more)} more`)] : [];
  const what = `${plural(drift, "finding")}; ${counted}.`;
  const verdict = report.repaired
    ? `${style.green("Repaired:")} ${what}`
    : `${style.red("Drift:")} ${what} \`uee permits audit --repair\` repairs them.`;
  return [...table, ...rest, "", verdict];
}

/** Renders the ETL tree: each provider's store, its open run, its last one and its jobs. */
import { describeEdition } from "../../core/edition.ts";
import type { BreakerView, EngineStatus, ProviderStatus, RunProgress, WorkerView } from "../../engine/api.ts";
import { averagePace, type Paces } from "../../engine/pace.ts";
import { problemsOf } from "../../session/problems.ts";
import { retryText } from "../../session/waitedFor.ts";
import type { Look } from "../command.ts";
import { breakerTrouble } from "../commands/breakers.ts";
import { barWidthIn, clip, progressBar, progressText, waitingText } from "./progress.ts";
import { type Column, renderTable } from "./table.ts";
import {
  formatAge,
  formatAhead,
  formatBytes,
  formatCount,
  formatDuration,
  formatLocal,
  formatPercent,
  isWaiting,
  oneLine,
  paintMachineState,
  plural,
  type Style,
  situation,
  visibleLength,
  wrap,
} from "./text.ts";

/** `2026-03-15T09:00:00Z (2 h ago)`: the upstream's time verbatim, and its age. */
function timeText(iso: string | null, now: number): string {
  if (iso === null) return "none";
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/.test(iso) ? iso : `${iso}Z`;
  return Number.isNaN(Date.parse(zoned)) ? iso : `${iso} (${formatAge(zoned, now)})`;
}

/** With the watermark as the upstream wrote it, or only its age where the terminal is too narrow for that. */
function withWatermark(
  about: string,
  watermark: string | null,
  { now, width }: Pick<Look, "now" | "width">,
): string {
  if (watermark === null) return about;
  const whole = `${about}, watermark ${timeText(watermark, now)}`;
  const fits = visibleLength(whole) + BRANCH <= width;
  return fits ? whole : `${about}, watermark ${timeText(watermark, now).replace(/^.*\((.*)\)$/, "$1")}`;
}

/** Columns of the branch before a provider. */
const BRANCH = 3;

/** Columns of the branches before a provider's details. */
const branchWidth = 6;

/** Why the provider is held up. The reason is never truncated: it names what an operator must correct. */
function heldUpLines({ provider, machine, openRun }: ProviderStatus, { style, now, width }: Look): string[] {
  const text = situation(machine, now);
  if (text === undefined) {
    const waits = openRun === null ? undefined : waitingText(openRun, now);
    return waits === undefined ? [] : [style.yellow(waits)];
  }
  const reason = machine.reason ?? (isWaiting(machine) ? openRun?.waiting?.reason : undefined);
  const lines = wrap(`${text}${reason ? `: ${oneLine(reason)}` : ""}`, width - branchWidth - 2);
  const paused = machine.state === "PAUSED";
  const paint = paused ? style.red : style.yellow;
  const painted = lines.map((line, i) => paint(i === 0 ? line : `  ${line}`));
  return paused ? [...painted, style.dim(`uee resume ${provider} goes on`)] : painted;
}

/** Maximum number of retrying batches with their own line. */
const RETRIES_SHOWN = 3;

/** A failure is shown in full before it is final: an operator may correct its cause in time. */
function retryLines({ openRun }: ProviderStatus, { style, now, width }: Look): string[] {
  const retrying = openRun?.retrying ?? [];
  const lines = retrying
    .slice(0, RETRIES_SHOWN)
    .flatMap((retry) =>
      wrap(retryText(retry, now), width - branchWidth - 2).map((line, i) => (i === 0 ? line : `  ${line}`)),
    );
  const more = retrying.length - RETRIES_SHOWN;
  if (more > 0) lines.push(`and ${plural(more, "more batch", "more batches")} that failed and are retried`);
  return lines.map((line) => style.yellow(line));
}

/** `, by ann@desk: nightly check` */
const openedBy = ({ actor, reason }: RunProgress): string =>
  actor === "" ? "" : `, by ${oneLine(actor)}${reason === null ? "" : `: ${oneLine(reason)}`}`;

/** Describes `run`: the last one, or the last replays. */
function lastRunLine(run: RunProgress, { style, now }: Look): string {
  const changes = [
    run.created > 0 ? `${formatCount(run.created)} created` : "",
    run.updated > 0 ? `${formatCount(run.updated)} updated` : "",
    run.removed > 0 ? `${formatCount(run.removed)} removed` : "",
    run.deadLettered > 0 ? style.yellow(`${formatCount(run.deadLettered)} dead-lettered`) : "",
  ].filter((text) => text !== "");
  const state = run.state === "complete" ? style.green(run.state) : style.red(run.state);
  const when = run.endedAt === null ? "" : ` ${formatAge(run.endedAt, now)}`;
  return (
    `${run.kind === "replay" ? "replays since" : "last run"} ${state}${when}: ` +
    `${run.kind === "replay" ? "" : `${run.mode}, `}${changes.length > 0 ? changes.join(", ") : "no changes"}, ` +
    `${plural(run.requests, "request")}, ${formatDuration(run.durationMs)}${openedBy(run)}`
  );
}

/** `████░░░░ 160,000 of 361,789 (44 %), 1,240/s, 3 min left` and which run that is. */
function openRunLines(run: RunProgress, { style, width, paces }: StatusLook): string[] {
  const { runId, kind, mode } = run;
  const perSecond = paces === undefined ? averagePace(run) : paces.of(run);
  const bar = progressBar(run, barWidthIn(width), style);
  const what = kind === "replay" ? "replays of dead letters" : mode;
  return [`${bar} ${progressText(run, perSecond)}`, `open run ${runId}: ${what}${openedBy(run)}`];
}

function lastRunLines({ lastRun, lastRunSettled, lastReplay }: ProviderStatus, look: Look): string[] {
  if (lastRun === null) return [];
  const { style } = look;
  const lines = [lastRunLine(lastRun, look)];
  if (lastRun.note !== null) lines.push(style.yellow(oneLine(lastRun.note)));
  if (lastRun.error) {
    const { code, message } = lastRun.error;
    const paint = lastRunSettled ? style.dim : style.red;
    lines.push(`${paint(`${code}:`)} ${message}`);
  }
  if (lastReplay !== null && isLater(lastReplay, lastRun)) {
    lines.push(lastRunLine(lastReplay, look));
    if (lastReplay.error) lines.push(`${style.red(`${lastReplay.error.code}:`)} ${lastReplay.error.message}`);
  }
  if (lastRunSettled) lines.push(style.green("its dead letters are settled; the next run verifies"));
  return lines;
}

const isLater = (one: RunProgress, other: RunProgress): boolean =>
  Date.parse(one.endedAt ?? one.startedAt) >= Date.parse(other.endedAt ?? other.startedAt);

/** `equal to NVD's feeds of 28 November: 425,012 of 425,012`, and what else the last comparison found. */
export function reconciledLines(found: NonNullable<ProviderStatus["reconciled"]>, style: Style): string[] {
  const { asOf, checked, equal, newer, stale, missing, extra, repaired, unexplained } = found;
  const day = new Date(asOf).toLocaleDateString("en-GB", { day: "numeric", month: "long", timeZone: "UTC" });
  const some = [
    newer > 0 ? `${formatCount(newer)} newer` : "",
    stale > 0 ? `${formatCount(stale)} stale` : "",
    missing > 0 ? `${formatCount(missing)} missing` : "",
    extra > 0 ? `${formatCount(extra)} extra` : "",
    repaired > 0 ? `${formatCount(repaired)} repaired` : "",
    unexplained > 0 ? style.red(`${formatCount(unexplained)} unexplained`) : "",
  ].filter((text) => text !== "");
  const line = `equal to NVD's feeds of ${day}: ${formatCount(equal)} of ${formatCount(checked)}`;
  return [some.length === 0 ? line : `${line}; ${some.join(", ")}`];
}

/** Empty while it is far away: near its cap a provider is about to pause. */
function capLine({ deadLetters: cap }: ProviderStatus, style: Style): string | undefined {
  if (cap.level === "ok") return undefined;
  const paint = cap.level === "full" ? style.red : style.yellow;
  return paint(
    `dead letters at ${formatPercent(cap.share)} of their cap: ${formatCount(cap.entries)} of ` +
      `${formatCount(cap.maxEntries)}, ${formatBytes(cap.rawBytes)} of ${formatBytes(cap.maxRawBytes)}; uee dlq stats`,
  );
}

function jobsLine({ jobs }: ProviderStatus, style: Style): string {
  const failed = jobs.failed > 0 ? style.yellow(`${formatCount(jobs.failed)} failed`) : "0 failed";
  return (
    `jobs ${formatCount(jobs.active)} active, ${formatCount(jobs.waiting)} waiting, ` +
    `${formatCount(jobs.delayed)} delayed, ${failed}`
  );
}

function providerLines(
  provider: ProviderStatus,
  look: StatusLook,
  breaker: BreakerView | undefined,
): string[] {
  const { style, now, width } = look;
  const truth = provider.verified
    ? `${style.green("verified")} ${provider.verifiedAt === null ? "" : formatAge(provider.verifiedAt, now)}`.trimEnd()
    : style.yellow("not verified");
  const about = `${style.bold(provider.provider)}  ${paintMachineState(style, provider.machine)}, ${truth}, ${plural(provider.records, "record")}`;
  const lines = [withWatermark(about, provider.watermark, { now, width })];
  const below: string[] = [];
  if (provider.edition !== null) below.push(`edition ${oneLine(describeEdition(provider.edition))}`);
  if (provider.openRun) {
    below.push(...openRunLines(provider.openRun, look));
  }
  below.push(...heldUpLines(provider, look), ...retryLines(provider, look));
  const trouble = breaker && breakerTrouble(breaker, now);
  if (trouble !== undefined) below.push(style.yellow(trouble));
  if (provider.lastRun) {
    below.push(...lastRunLines(provider, look));
  }
  if (provider.openRun || Object.values(provider.jobs).some((jobs) => jobs > 0)) {
    below.push(jobsLine(provider, style));
  }
  for (const { kind, text } of problemsOf(provider, now)) {
    if (kind === "stale" || kind === "overdue" || kind === "unreconciled") below.push(style.red(text));
  }
  if (provider.reconciled) below.push(...reconciledLines(provider.reconciled, style));
  const cap = capLine(provider, style);
  if (cap !== undefined) below.push(cap);
  if (below.length === 0 && !provider.verified) {
    below.push(style.dim(`never run; uee run ${provider.provider} --wait`));
  }
  const { nextRun, machine } = provider;
  if (nextRun && provider.openRun === null && machine.state !== "PAUSED") {
    const { at, mode } = nextRun;
    below.push(style.dim(`next run ${formatAhead(at, now)} (${formatLocal(at, now)}), ${mode}`));
  }
  return [...lines, ...below.map((line, i) => `${style.dim(i === below.length - 1 ? "└─" : "├─")} ${line}`)];
}

function head(status: EngineStatus, style: Style): string {
  const { redis, workers } = status;
  const memory =
    redis.maxMemory > 0
      ? `${formatBytes(redis.usedMemory)} of ${formatBytes(redis.maxMemory)}`
      : formatBytes(redis.usedMemory);
  return (
    `${style.bold("UEE mirror")}  ${paintMachineState(style, status.macro)}  ` +
    style.dim(`Redis ${redis.version}, ${memory}, ${redis.persistence}; ${workersText(workers)}`)
  );
}

function workersText(workers: readonly WorkerView[]): string {
  const live = workers.filter(({ health }) => health === "live").length;
  const late = workers.filter(({ health }) => health === "late").length;
  return `${plural(live, "live worker")}${late > 0 ? `, ${formatCount(late)} late` : ""}`;
}

interface StatusLook extends Look {
  /** How fast the open runs were over the last looks; without it over the whole run. */
  paces?: Paces | undefined;
}

/** The ages are relative to the time of the status. */
export function statusLines(
  status: EngineStatus & { breakers: readonly BreakerView[] },
  { style, width, paces }: Pick<StatusLook, "style" | "width" | "paces">,
): string[] {
  const look = { style, width, paces, now: Date.parse(status.at) };
  const lines = [head(status, style)];
  if (status.redis.trouble !== null) {
    const trouble = `Redis is in trouble: ${status.redis.trouble}. Work continues automatically when Redis works again.`;
    lines.push(style.red(trouble));
  }
  if (status.runsPaused) {
    const paused = "The queue `runs` is paused: jobs of scripts and schedules wait.";
    lines.push(style.red(`${paused} A worker resumes it within seconds.`));
  }
  if (status.stranded) {
    const stranded = "Warning: jobs wait and no worker is live. Start one: uee worker, or uee run … --wait.";
    lines.push(style.yellow(stranded));
  }
  status.providers.forEach((provider, i) => {
    const last = i === status.providers.length - 1;
    const breaker = status.breakers.find(({ upstream }) => upstream === provider.provider);
    providerLines(provider, look, breaker).forEach((line, j) => {
      const branch = j === 0 ? (last ? "└─ " : "├─ ") : last ? "   " : "│  ";
      lines.push(style.dim(branch) + line);
    });
  });
  const workers = workersTable(status.workers, look);
  if (workers.length > 0) lines.push("", ...workers);
  return lines.map((line) => clip(line, width));
}

const none = "–";

/** `ready`, `starting`, or that the worker no longer answers. */
function standing({ state, health, missedBeats }: WorkerView): string {
  if (health === "live") return state;
  return missedBeats > 0 ? `${health}, ${formatCount(missedBeats)} missed` : health;
}

function workersTable(workers: readonly WorkerView[], look: Look): string[] {
  if (workers.length === 0) return [];
  const { style, now } = look;
  const figure = (show: (vitals: NonNullable<WorkerView["vitals"]>) => string) => (worker: WorkerView) =>
    worker.vitals === null ? none : show(worker.vitals);
  const paint = (text: string, { health }: WorkerView) =>
    health === "live" ? style.green(text) : health === "late" ? style.yellow(text) : style.red(text);
  const columns: Column<WorkerView>[] = [
    { title: "worker", value: ({ id }) => id },
    { title: "state", value: standing, paint },
    { title: "batches", value: figure((v) => formatCount(v.activeBatches)), align: "right" },
    { title: "response", value: figure((v) => `${v.responseMs} ms`), align: "right" },
    { title: "loop delay p99", value: figure((v) => `${v.loopDelayP99Ms} ms`), align: "right", dropFirst: 3 },
    { title: "memory", value: figure((v) => formatBytes(v.rssBytes)), align: "right" },
    { title: "last fetch", value: figure((v) => formatDuration(v.lastFetchAgeMs)), align: "right" },
    { title: "heartbeat", value: ({ lastBeatAt }) => formatAge(lastBeatAt, now) },
    { title: "started", value: ({ startedAt }) => formatAge(startedAt, now), dropFirst: 2 },
    { title: "process", value: ({ host, pid }) => `${host}:${pid}`, shrinkTo: 12, dropFirst: 1 },
  ];
  return renderTable(workers, columns, look);
}

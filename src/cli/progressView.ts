/** Shows the progress of runs: bars on a terminal, sampled lines elsewhere. All output goes to stderr. */

import type { SingleBar } from "cli-progress";
import type { RunProgress } from "../engine/api.ts";
import { doneRatio, Pace } from "../engine/pace.ts";
import { retryText } from "../session/waitedFor.ts";
import type { CliContext } from "./context.ts";
import { barLine, progressText, waitIsOver, waitingText } from "./render/progress.ts";
import { styleFor } from "./render/style.ts";

export interface ProgressView {
  update(run: RunProgress): void;
  /** A line that must not break the bars. */
  log(line: string): void;
  stop(): void;
}

export async function makeProgressView(
  context: CliContext,
  providers: readonly string[],
  options: { quiet?: boolean } = {},
): Promise<ProgressView> {
  if (options.quiet) return lines(context, () => {});
  if (!context.stderr.isTTY) return lines(context, (text) => void context.stderr.write(`${text}\n`));
  return bars(context, providers);
}

async function bars(context: CliContext, providers: readonly string[]): Promise<ProgressView> {
  const { default: cliProgress } = await import("cli-progress");
  const style = styleFor(context.stderr, context.env);
  const nameWidth = Math.max(...providers.map((name) => name.length));
  const newest = new Map<string, RunProgress>();
  const paces = new Map(providers.map((name) => [name, new Pace()]));
  const multi = new cliProgress.MultiBar({
    stream: context.stderr,
    hideCursor: true,
    clearOnComplete: true,
    // The command that owns the bars handles signals and stops them.
    gracefulExit: false,
    format: (_options, _params, payload: { provider: string }) =>
      barLine({
        provider: payload.provider,
        nameWidth,
        run: newest.get(payload.provider),
        perSecond: paces.get(payload.provider)?.perSecond,
        now: context.now(),
        columns: context.stderr.columns ?? 80,
        style,
      }),
  });
  const bar = new Map<string, SingleBar>(
    providers.map((provider) => [provider, multi.create(1_000, 0, { provider })]),
  );
  let stopped = false;
  return {
    update(run) {
      newest.set(run.provider, run);
      paces.get(run.provider)?.add(run.fetched, context.now());
      bar.get(run.provider)?.update(Math.round((doneRatio(run) ?? 0) * 1_000));
    },
    log(line) {
      if (stopped) context.stderr.write(`${line}\n`);
      else multi.log(`${line}\n`);
    },
    stop() {
      if (stopped) return;
      stopped = true;
      multi.update();
      multi.stop();
    },
  };
}

const lineEveryMs = 10_000;

/** One line per phase, per wait, every ten seconds and at the end. */
function lines(context: CliContext, say: (text: string) => void): ProgressView {
  const last = new Map<string, { key: string; at: number }>();
  const paces = new Map<string, Pace>();
  return {
    update(run) {
      const now = context.now();
      const pace = paces.get(run.provider) ?? new Pace();
      paces.set(run.provider, pace);
      pace.add(run.fetched, now);
      const [retry] = run.retrying;
      const key = [
        run.runId,
        run.state,
        run.phase,
        run.pass,
        run.waiting?.reason,
        retry?.batch,
        retry?.attempt,
      ].join(" ");
      const before = last.get(run.provider);
      if (before?.key === key && now - before.at < lineEveryMs) return;
      last.set(run.provider, { key, at: now });
      const over = waitIsOver(run);
      const failing = retry === undefined ? "" : `; ${retryText(retry, now)}`;
      const text = over ? run.state : (waitingText(run, now) ?? progressText(run, pace.perSecond)) + failing;
      say(`${run.provider}: ${over ? "" : `${run.mode} run: `}${text}`);
    },
    log: (line) => void context.stderr.write(`${line}\n`),
    stop() {},
  };
}

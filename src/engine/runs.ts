/** Opening runs and waiting for them. */
import { setTimeout as sleep } from "node:timers/promises";
import { UeeError } from "../core/errors.ts";
import { openGoverned } from "../workers/openGoverned.ts";
import type { Engine, RunProgress } from "./api.ts";
import { contextOf, type EngineParts, machineOf } from "./parts.ts";
import { runProgress } from "./reads.ts";

type Runs = Pick<Engine, "openRun" | "openRunWhenPossible" | "runProgress" | "waitForRun">;

export function makeRuns(parts: EngineParts): Runs {
  const openRun: Engine["openRun"] = (request) =>
    openGoverned(contextOf(parts, request.provider), {
      mode: request.mode,
      allowShrink: request.allowShrink ?? false,
      allowOlder: request.allowOlder ?? false,
      repair: request.repair ?? true,
      actor: { kind: "person", name: request.actor ?? "library" },
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    });

  const progress = (provider: string, runId: string): Promise<RunProgress> =>
    runProgress(contextOf(parts, provider), runId, machineOf(parts, provider));

  return {
    openRun,
    runProgress: progress,

    async openRunWhenPossible(request, { signal, onWaiting }) {
      for (let told = false; ; ) {
        try {
          return await openRun(request);
        } catch (error) {
          if (!(error instanceof UeeError) || error.code !== "PROV_RUN_OPEN") throw error;
          if (!told) onWaiting?.(String(error.data.runId));
          told = true;
          await sleep(error.retryAfterMs ?? 1000, undefined, { signal }).catch(() => {
            throw new UeeError("SYS_INTERRUPTED");
          });
        }
      }
    },

    async waitForRun(provider, runId, { signal, onProgress, pollMs = 100 }) {
      for (;;) {
        if (signal?.aborted) throw new UeeError("SYS_INTERRUPTED");
        const now = await progress(provider, runId);
        onProgress?.(now);
        if (now.phase === "closed" || now.state === "paused") return now;
        await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

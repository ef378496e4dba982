/** Redis may be away for a while during a run; this decides when an outage has lasted too long. */
import { UeeError } from "../core/errors.ts";
import { formatRough } from "../core/time.ts";

export interface OutageWatch {
  /** Fires, with the error as reason, when one outage lasted longer than the limit. */
  readonly lost: AbortSignal;
  onState(state: "lost" | "back", reason: string): void;
  close(): void;
}

/** @param limitMs Infinity: waits for ever */
export function watchOutages(limitMs: number, say: (message: string) => void): OutageWatch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    lost: controller.signal,
    onState(state, reason) {
      clearTimeout(timer);
      timer = undefined;
      if (state === "back") return say("Redis is back; going on.");
      const patience = Number.isFinite(limitMs) ? ` for up to ${formatRough(limitMs)}` : "";
      say(`Redis is away (${reason}); waiting${patience}.`);
      if (!Number.isFinite(limitMs)) return;
      timer = setTimeout(() => {
        controller.abort(
          new UeeError("SYS_REDIS_UNREACHABLE", `Redis stayed away for ${formatRough(limitMs)} (${reason}).`),
        );
      }, limitMs);
    },
    close: () => clearTimeout(timer),
  };
}

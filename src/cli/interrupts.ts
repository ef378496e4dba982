import type { EventEmitter } from "node:events";
import type { Interrupts, StopSignal } from "./context.ts";
import { exitOfSignal } from "./exitCodes.ts";

const stopSignals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * The first signal requests a stop (the abort signal fires), the second one forces it: `exitAtOnce` is called with
 * the signal's exit code. The loss of the supervisor (its channel closes: `disconnect`) requests a stop too but never
 * forces it.
 */
export function watchSignals(source: EventEmitter, exitAtOnce: (code: number) => void): Interrupts {
  const controller = new AbortController();
  let caught: StopSignal | undefined;
  const listeners = stopSignals.map((name) => {
    const listener = () => {
      if (caught) return exitAtOnce(exitOfSignal(name));
      caught = name;
      controller.abort();
    };
    source.on(name, listener);
    return { name, listener };
  });
  const onDisconnect = () => {
    caught ??= "SIGTERM";
    controller.abort();
  };
  source.on("disconnect", onDisconnect);
  return {
    signal: controller.signal,
    get caught() {
      return caught;
    },
    release() {
      for (const { name, listener } of listeners) source.off(name, listener);
      source.off("disconnect", onDisconnect);
    },
  };
}

import type { EventEmitter } from "node:events";
import type { Interrupts, StopSignal } from "./context.ts";
import { exitOfSignal } from "./exitCodes.ts";

const stopSignals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * The first signal asks (the abort signal fires), the second one orders: `exitAtOnce` is called with the signal's exit
 * code. A supervisor that is gone (its channel closes: `disconnect`) asks as well, and never orders: a stop that is under
 * way goes on in order.
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

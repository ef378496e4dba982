/**
 * What a worker does while Redis is in trouble: takes no jobs (BullMQ would ask again at once, as fast as Redis refuses),
 * and says in the providers' machines why nothing moves, as far as Redis takes that.
 */
import type { UeeError } from "../core/errors.ts";
import type { QueueConsumer } from "../queues/consumer.ts";
import type { TroubleGate } from "../redis/troubleGate.ts";
import type { ProviderContext } from "./context.ts";

/** Trouble that is over so soon moves no machine. */
const WORTH_A_STATE_MS = 1_000;
/** How long the machines wait unless they are told again, and how often they are. */
const WAIT_MS = 10_000;
const TELL_EVERY_MS = 4_000;

export interface TroubleWatchOptions {
  gate: TroubleGate;
  consumers: readonly QueueConsumer[];
  contexts: readonly ProviderContext[];
}

/** Returns what ends it. */
export function watchTrouble({ gate, consumers, contexts }: TroubleWatchOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  let held = false;

  /** Redis may refuse this too: then its own word (INFO, see `uee status`) is all there is. */
  const quietly = async (tell: (context: ProviderContext) => Promise<void>): Promise<void> => {
    await Promise.allSettled(contexts.map(tell));
  };
  const hold = async (): Promise<void> => {
    const { trouble } = gate;
    if (trouble === undefined) return;
    held = true;
    await quietly(({ governor }) => governor.holdForRedis(trouble.message, WAIT_MS));
    if (gate.trouble !== undefined) timer = setTimeout(() => void hold(), TELL_EVERY_MS);
  };

  const onChange = (trouble: UeeError | undefined): void => {
    clearTimeout(timer);
    if (trouble !== undefined) {
      for (const consumer of consumers) consumer.pause();
      timer = setTimeout(() => void hold(), WORTH_A_STATE_MS);
      return;
    }
    for (const consumer of consumers) consumer.resume();
    if (held) void quietly(({ governor }) => governor.redisWell());
    held = false;
  };

  if (gate.trouble !== undefined) onChange(gate.trouble);
  const unlisten = gate.onChange(onChange);
  return () => {
    unlisten();
    clearTimeout(timer);
  };
}

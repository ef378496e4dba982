/**
 * A guard for those who ask an upstream out of curiosity (`uee doctor`): they obey an open breaker, never probe, and what they
 * meet counts for nothing, since it may be their own network's doing.
 */
import { isRedisTrouble } from "../redis/errors.ts";
import type { Guard } from "../upstream/guard.ts";
import type { BreakerStore } from "./breakerStore.ts";
import { openError } from "./openError.ts";
import { type BreakerPolicy, breakerPolicy } from "./policy.ts";

export function makeObserver(
  store: Pick<BreakerStore, "view">,
  policy: Pick<BreakerPolicy, "probingMs"> = breakerPolicy,
): Guard {
  const refuseUnlessClosed = async (): Promise<void> => {
    const view = await store.view().catch((error: unknown) => {
      // The fleet's limit has its own word on a Redis that is away.
      if (isRedisTrouble(error)) return undefined;
      throw error;
    });
    if (view && view.state !== "closed") throw openError(view, policy);
  };
  return {
    async enter() {
      await refuseUnlessClosed();
      return {
        signal: new AbortController().signal,
        confirm: refuseUnlessClosed,
        succeeded: async () => {},
        failed: async (error) => error,
        abandoned: async () => {},
      };
    },
  };
}

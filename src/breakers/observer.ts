/**
 * A guard for diagnostic requests (`uee doctor`). They obey an open breaker, never probe, and their results do not
 * count: a failure may be caused by the local network.
 */
import { isRedisTrouble } from "../redis/errors.ts";
import { type Guard, unguarded } from "../upstream/guard.ts";
import type { BreakerStore } from "./breakerStore.ts";
import { type BreakerPolicy, breakerPolicy } from "./policy.ts";
import { openError } from "./report.ts";

export function makeObserver(
  store: Pick<BreakerStore, "view">,
  policy: Pick<BreakerPolicy, "probingMs"> = breakerPolicy,
): Guard {
  const refuseUnlessClosed = async (): Promise<void> => {
    const view = await store.view().catch((error: unknown) => {
      // The rate limiter reports an unreachable Redis itself.
      if (isRedisTrouble(error)) return undefined;
      throw error;
    });
    if (view && view.state !== "closed") throw openError(view, policy);
  };
  return {
    async enter(request) {
      await refuseUnlessClosed();
      return { ...(await unguarded.enter(request)), confirm: refuseUnlessClosed };
    },
  };
}

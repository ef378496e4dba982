/** Opens a run unless its provider is paused: a pause by an operator holds for every caller. */
import type { Actor } from "../core/actor.ts";
import { UeeError } from "../core/errors.ts";
import type { RunMode } from "../providers/contract.ts";
import { type OpenedRun, openRun } from "../runs/openRun.ts";
import type { ProviderContext } from "./context.ts";

export async function openGoverned(
  context: ProviderContext,
  request: {
    mode: RunMode;
    allowShrink?: boolean;
    allowOlder?: boolean;
    repair?: boolean;
    actor: Actor;
    reason?: string;
  },
): Promise<OpenedRun> {
  const { provider, source, queue, governor } = context;
  // @safeguard pause-refuses-runs
  await governor.refuseIfPaused();
  const { mode, allowShrink = false, allowOlder = false, repair = true, actor, reason } = request;
  if (mode === "reconcile" && context.feeds === undefined) {
    const off = provider.upstream.feeds ? `${provider.upstream.feeds.urlEnv} is off` : "it publishes none";
    throw new UeeError("PROV_FEEDS_UNUSABLE", `There are no feeds to compare ${provider.name} with: ${off}.`);
  }
  const wanted = { mode, allowShrink, allowOlder, repair, actor, reason };
  const opened = await openRun(provider, source, context, queue, wanted);
  // An operator may have paused the provider since the check: the run is then open and waits, like other runs of a paused provider.
  await governor.runOpened(actor, reason);
  return opened;
}

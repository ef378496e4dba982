/** The operator's actions, as the API defines them. Each returns a sentence about its result. */
import type {
  Accepted,
  BreakerReset,
  PermitSize,
  ResizeRequest,
  Started,
  StartRequest,
} from "../../api/schemas.ts";
import { plural } from "../lib/figures.ts";
import { forget, tell } from "../state/page.ts";
import { ask, errorOf } from "./http.ts";

export const providerPlace = (provider: string): string => `provider:${provider}`;

/** Shows the outcome at a place of the page; true on success. */
export async function perform(place: string, what: string, work: () => Promise<string>): Promise<boolean> {
  forget(place);
  try {
    tell(place, { done: true, text: await work() });
    return true;
  } catch (thrown) {
    tell(place, { done: false, text: `${what} was refused.`, error: errorOf(thrown) });
    return false;
  }
}

const withReason = (reason: string): { reason?: string } =>
  reason.trim() === "" ? {} : { reason: reason.trim() };

const providerPath = (provider: string, action: string): string =>
  `/api/providers/${encodeURIComponent(provider)}/${action}`;

export const start = (provider: string, request: StartRequest & { reason: string }): Promise<boolean> =>
  perform(providerPlace(provider), `Starting ${provider}`, async () => {
    const { reason, ...rest } = request;
    const { runId, joined, mode } = await ask<Started>("POST", providerPath(provider, "start"), {
      ...rest,
      ...withReason(reason),
    });
    return joined ? `A run was open already: joined ${runId} (${mode}).` : `Run ${runId} is open (${mode}).`;
  });

/** In the past tense where the next event may change it again. */
const done = { pause: "is paused", resume: "was resumed", stop: "was stopped" } as const;
const doing = { pause: "Pausing", resume: "Resuming", stop: "Stopping" } as const;

export const act = (provider: string, action: keyof typeof done, reason: string): Promise<boolean> =>
  perform(providerPlace(provider), `${doing[action]} ${provider}`, async () => {
    const { machine } = await ask<Accepted>("POST", providerPath(provider, action), withReason(reason));
    return `${provider} ${done[action]} (${machine.state}).`;
  });

export const permitsPlace = "permits";

export const resize = (size: number, reason: string): Promise<boolean> =>
  perform(permitsPlace, "Resizing", async () => {
    const body: ResizeRequest = { size, ...withReason(reason) };
    const answer = await ask<PermitSize>("PUT", "/api/permits/size", body);
    if (!answer.changed) return `The pool has ${plural(answer.configured, "permit")} already.`;
    const asked =
      answer.askedBack > 0 ? `; ${plural(answer.askedBack, "permit")} asked back from holders` : "";
    return `The pool has ${plural(answer.configured, "permit")} now${asked}.`;
  });

export const breakersPlace = "breakers";

export const resetBreaker = (upstream: string, reason: string): Promise<boolean> =>
  perform(breakersPlace, `Closing the breaker of ${upstream}`, async () => {
    const path = `/api/breakers/${encodeURIComponent(upstream)}/reset`;
    const { changed } = await ask<BreakerReset>("POST", path, withReason(reason));
    return changed
      ? `The breaker of ${upstream} is closed.`
      : `The breaker of ${upstream} was closed already.`;
  });

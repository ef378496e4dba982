/**
 * What stands between the fleet's limit and the wire: may a call be made, and what came of it. A call is one answer with its
 * body, redirects on the way included. The upstream client asks; `breakers/` answers.
 */
import type { UeeError } from "../core/errors.ts";

export interface GuardRequest {
  /** The call's own signal. */
  signal: AbortSignal;
  /** Throws the wait that the fleet's limit would impose. Asked before this call becomes the one that tries for everybody. */
  limitAllows(): Promise<void>;
}

export interface Guard {
  /** Before the call connects. @throws UeeError PROV_CIRCUIT_OPEN, or what `limitAllows` throws */
  enter(request: GuardRequest): Promise<GuardedCall>;
}

/** One of the three ends is told; what is told after the first is ignored, and none of them rejects. */
export interface GuardedCall {
  /** Fires when the call must not go on; its reason is a UeeError. */
  readonly signal: AbortSignal;
  /** Right before a request is sent, after whatever was waited for. @throws UeeError PROV_CIRCUIT_OPEN */
  confirm(): Promise<void>;
  /** The answer came whole. */
  succeeded(): Promise<void>;
  /** The upstream or the way to it failed the call. Returns what its caller is to be told. */
  failed(error: UeeError): Promise<UeeError>;
  /** The call was called off, by us or by its reader. */
  abandoned(): Promise<void>;
}

/** Lets everything through. */
export const unguarded: Guard = {
  enter: async () => ({
    signal: new AbortController().signal,
    confirm: async () => {},
    succeeded: async () => {},
    failed: async (error) => error,
    abandoned: async () => {},
  }),
};

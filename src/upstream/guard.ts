/**
 * The interface between the rate limit and the connection: may a call be made, and how did it end. A call is one
 * answer with its body, including redirects. The upstream client calls it; `breakers/` implements it.
 */
import type { UeeError } from "../core/errors.ts";

export interface GuardRequest {
  /** The call's own signal. */
  signal: AbortSignal;
  /** Throws the wait that the rate limit would impose. Called before this call becomes the fleet's probe. */
  limitAllows(): Promise<void>;
}

export interface Guard {
  /** Called before the connection is opened. @throws UeeError PROV_CIRCUIT_OPEN, or the error of `limitAllows` */
  enter(request: GuardRequest): Promise<GuardedCall>;
}

/** Exactly one of the three results is reported; later reports are ignored. None of them rejects. */
export interface GuardedCall {
  /** Fires when the call must stop; its reason is a UeeError. */
  readonly signal: AbortSignal;
  /** Called right before a request is sent, after all waits. @throws UeeError PROV_CIRCUIT_OPEN */
  confirm(): Promise<void>;
  /** The answer was received completely. */
  succeeded(): Promise<void>;
  /** The upstream or the network failed the call. Returns the error for the caller. */
  failed(error: UeeError): Promise<UeeError>;
  /** The call was cancelled by us or by its reader. */
  abandoned(): Promise<void>;
}

/** Admits every call. */
export const unguarded: Guard = {
  enter: async () => ({
    signal: new AbortController().signal,
    confirm: async () => {},
    succeeded: async () => {},
    failed: async (error) => error,
    abandoned: async () => {},
  }),
};

/**
 * The probe token during its call: renewed in time, abandoned when it cannot be renewed, and never trusted past its
 * lease.
 */

import { ageMs, type Clocks, clocks } from "../upstream/rateLimit.ts";

export interface TokenOptions {
  /** performance.now() from before the token was requested. */
  askedAt: number;
  leaseMs: number;
  /** False when another process holds it; throws when Redis does not answer. */
  renew(): Promise<boolean>;
  /** Called once, when the token is lost or its state is unknown. */
  lost(): void;
  /** The call has not ended within this time, ms. */
  limitMs: number;
  tooLong(): void;
}

export function holdToken(options: TokenOptions) {
  const { leaseMs } = options;
  let since: Clocks = {
    monotonic: options.askedAt,
    wall: Date.now() - (performance.now() - options.askedAt),
  };
  let dropped = false;

  const drop = (): void => {
    dropped = true;
    clearInterval(timer);
    clearTimeout(limit);
  };

  /** Asks whether this process holds the token. A confirmed lease counts from before the question was sent. */
  const renew = async (): Promise<boolean> => {
    const asked = clocks();
    const ours = await options.renew().catch(() => undefined);
    if (ours === undefined) return ageMs(since) < leaseMs;
    if (ours) since = asked;
    return ours;
  };

  const timer = setInterval(() => {
    void renew().then((ours) => {
      if (ours || dropped) return;
      drop();
      options.lost();
    });
  }, leaseMs / 3);
  timer.unref();

  const limit = setTimeout(() => {
    drop();
    options.tooLong();
  }, options.limitMs);
  limit.unref();

  return {
    /** Checked right before a request is sent: does this process hold the token for the time that sending takes? */
    confirm: async (): Promise<boolean> =>
      !dropped && (ageMs(since) < leaseMs / 2 || ((await renew()) && ageMs(since) < leaseMs / 2)),
    drop,
  };
}

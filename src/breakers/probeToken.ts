/**
 * The probe token during its call: renewed in time, abandoned when it cannot be renewed, and never trusted past its
 * lease.
 */

export interface HeldToken {
  /** Checked right before a request is sent: does this process hold the token for the time that sending takes? */
  confirm(): Promise<boolean>;
  drop(): void;
}

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

export function holdToken(options: TokenOptions): HeldToken {
  const { leaseMs } = options;
  // Both clocks are read: one stops while the machine sleeps, the other can be set.
  let since = { monotonic: options.askedAt, wall: Date.now() - (performance.now() - options.askedAt) };
  let dropped = false;

  const ageMs = (): number => Math.max(performance.now() - since.monotonic, Date.now() - since.wall);

  const drop = (): void => {
    dropped = true;
    clearInterval(timer);
    clearTimeout(limit);
  };

  /** Asks whether this process holds the token. A confirmed lease counts from before the question was sent. */
  const renew = async (): Promise<boolean> => {
    const asked = { monotonic: performance.now(), wall: Date.now() };
    const ours = await options.renew().catch(() => undefined);
    if (ours === undefined) return ageMs() < leaseMs;
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
    confirm: async () => !dropped && (ageMs() < leaseMs / 2 || ((await renew()) && ageMs() < leaseMs / 2)),
    drop,
  };
}

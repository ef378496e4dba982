/** The probe's token while its call lasts: renewed in time, given up where it cannot be, never believed in for too long. */

export interface HeldToken {
  /** Right before a request is sent: is the token still ours for the time that sending takes? */
  confirm(): Promise<boolean>;
  drop(): void;
}

export interface TokenOptions {
  /** performance.now() from before the token was asked for. */
  askedAt: number;
  leaseMs: number;
  /** False when it is somebody else's by now; throws where Redis does not answer. */
  renew(): Promise<boolean>;
  /** Called once: it is not ours any more, or we cannot know. */
  lost(): void;
  /** The call has come to no end in this time, ms. */
  limitMs: number;
  tooLong(): void;
}

export function holdToken(options: TokenOptions): HeldToken {
  const { leaseMs } = options;
  // Both clocks: one stands still while the machine sleeps, the other may be set.
  let since = { monotonic: options.askedAt, wall: Date.now() - (performance.now() - options.askedAt) };
  let dropped = false;

  const ageMs = (): number => Math.max(performance.now() - since.monotonic, Date.now() - since.wall);

  const drop = (): void => {
    dropped = true;
    clearInterval(timer);
    clearTimeout(limit);
  };

  /** Is it ours? What was asked for before the answer counts from before the question. */
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

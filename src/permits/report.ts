/** The replies of `show` and `audit`, decoded from the scripts' flat lists. */

export interface PermitHolding {
  readonly lease: string;
  readonly provider: string;
  /** Its holder was or will be asked to return it. */
  readonly askedBack: boolean;
  readonly fence: number;
  /** ms since the epoch by Redis TIME, as all times here. */
  readonly since: number;
  readonly expiresAt: number;
  readonly owner: string;
}

export interface ProviderPermits {
  readonly provider: string;
  readonly held: number;
  readonly askedBack: number;
  readonly waiting: number;
  /** Waiting time of its first waiter, ms. */
  readonly waitingMs: number;
  /** Its permit time, ms; comparable among active providers. */
  readonly permitTimeMs: number;
}

export interface PoolView {
  readonly at: number;
  /** Size that an operator set; null before the pool was first used. */
  readonly configured: number | null;
  /** Configured minus revoked. */
  readonly effective: number;
  readonly revoked: number;
  readonly allocated: number;
  readonly available: number;
  readonly askedBack: number;
  readonly waiting: number;
  /** Last fence given. */
  readonly fence: number;
  /** Grants wait until then, because Redis restarted; null when they do not. */
  readonly holdUntil: number | null;
  readonly providers: readonly ProviderPermits[];
  /** Oldest first. */
  readonly holders: readonly PermitHolding[];
  /** There are more holders than listed. */
  readonly truncated: boolean;
}

export interface AuditFinding {
  /** `count`, `lease-unreadable`, `deadline-too-late`, `waiter-without-place`, `waiter-without-deadline`, … */
  readonly kind: string;
  readonly subject: string;
  readonly stored: string;
  readonly right: string;
}

export interface AuditReport {
  readonly at: number;
  readonly leases: number;
  readonly waiters: number;
  /** Number of findings; the list ends at 100. */
  readonly drift: number;
  readonly findings: readonly AuditFinding[];
  readonly repaired: boolean;
}

/** A flat list cut into rows. */
function rows(flat: string[], width: number): string[][] {
  return Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
}

export function readView(reply: unknown[]): PoolView {
  const [now, pool, members, leases, ended] = reply as [string, string[], string[], string[], string];
  const fields = new Map(rows(pool, 2) as [string, string][]);
  const number = (field: string): number => Number(fields.get(field) ?? 0);
  const providers = rows(members, 6).map(([provider, ...values]): ProviderPermits => {
    const [held = 0, askedBack = 0, waiting = 0, timeUs = 0, waitingUs = 0] = values.map(Number);
    const times = { waitingMs: waitingUs / 1000, permitTimeMs: timeUs / 1000 };
    return { provider: provider!, held, askedBack, waiting, ...times };
  });
  const holders = rows(leases, 7).map(
    ([lease, provider, asked, fence, since, deadline, owner]): PermitHolding => ({
      ...{ lease: lease!, provider: provider!, askedBack: asked === "1", fence: Number(fence) },
      ...{ since: Number(since) / 1000, expiresAt: Number(deadline) / 1000, owner: owner! },
    }),
  );
  const effective = number("size") - number("taken");
  const allocated = number("used") - Number(ended);
  return {
    at: Number(now) / 1000,
    configured: number("size") || null,
    effective,
    revoked: number("taken"),
    allocated,
    available: Math.max(0, effective - allocated),
    askedBack: number("marked"),
    waiting: number("waiting"),
    fence: number("fence"),
    holdUntil: number("holdUntil") > Number(now) ? number("holdUntil") / 1000 : null,
    providers: providers.sort((a, b) => (a.provider < b.provider ? -1 : 1)),
    holders,
    truncated: holders.length < allocated,
  };
}

export function readAudit(reply: unknown[], repaired: boolean): AuditReport {
  const [now, leases, waiters, flat, drift] = reply as [string, number, number, string[], number];
  const findings = rows(flat, 4).map(
    ([kind, subject, stored, right]): AuditFinding => ({
      ...{ kind: kind!, subject: subject!, stored: stored!, right: right! },
    }),
  );
  return { at: Number(now) / 1000, leases, waiters, drift, findings, repaired: repaired && drift > 0 };
}

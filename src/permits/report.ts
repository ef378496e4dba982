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

/** Values of a provider in the reply of show, including its name. */
const PROVIDER_VALUES = 6;

export function readView(reply: unknown[]): PoolView {
  const [now, flatPool, flatProviders, flatHolders, ended] = reply as [
    string,
    string[],
    string[],
    string[],
    string,
  ];
  const pool = toMap(flatPool);
  const number = (field: string): number => Number(pool.get(field) ?? 0);
  const nowUs = Number(now);
  const holders: PermitHolding[] = [];
  for (let i = 0; i + 1 < flatHolders.length; i += 2) {
    const holding = readHolding(flatHolders[i]!, flatHolders[i + 1]!);
    if (holding) holders.push(holding);
  }
  const providers: ProviderPermits[] = [];
  for (let i = 0; i < flatProviders.length; i += PROVIDER_VALUES) {
    const [provider, ...rest] = flatProviders.slice(i, i + PROVIDER_VALUES);
    const [held, askedBack, waiting, permitTimeUs, waitingUs] = rest.map(Number) as [...number[]];
    providers.push({
      provider: provider!,
      held: held!,
      askedBack: askedBack!,
      waiting: waiting!,
      waitingMs: waitingUs! / 1000,
      permitTimeMs: permitTimeUs! / 1000,
    });
  }
  const effective = number("size") - number("taken");
  const allocated = number("used") - Number(ended);
  return {
    at: nowUs / 1000,
    configured: number("size") || null,
    effective,
    revoked: number("taken"),
    allocated,
    available: Math.max(0, effective - allocated),
    askedBack: number("marked"),
    waiting: number("waiting"),
    fence: number("fence"),
    holdUntil: number("holdUntil") > nowUs ? number("holdUntil") / 1000 : null,
    providers: providers.sort((a, b) => (a.provider < b.provider ? -1 : 1)),
    holders,
    truncated: holders.length < allocated,
  };
}

function readHolding(lease: string, facts: string): PermitHolding | undefined {
  const match = /^(\d+)\|1\|([^|]+)\|(\d+)\|(\d+)\|([01])\|\d+\|(.*)$/s.exec(facts);
  if (!match) return undefined;
  const [deadline, fence, since] = [1, 3, 4].map((i) => Number(match[i]));
  return {
    lease,
    provider: match[2]!,
    askedBack: match[5] === "1",
    fence: fence!,
    since: since! / 1000,
    expiresAt: deadline! / 1000,
    owner: match[6]!,
  };
}

export function readAudit(reply: unknown[], repaired: boolean): AuditReport {
  const [now, leases, waiters, flat, drift] = reply as [string, number, number, string[], number];
  const findings: AuditFinding[] = [];
  for (let i = 0; i + 3 < flat.length; i += 4) {
    findings.push({ kind: flat[i]!, subject: flat[i + 1]!, stored: flat[i + 2]!, right: flat[i + 3]! });
  }
  return { at: Number(now) / 1000, leases, waiters, drift, findings, repaired: repaired && drift > 0 };
}

function toMap(flat: string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i]!, flat[i + 1]!);
  return map;
}

/** What `show` and `audit` answer, read from the scripts' flat replies. */

export interface PermitHolding {
  readonly lease: string;
  readonly provider: string;
  readonly weight: number;
  /** Permits that it should keep; less than `weight` when it was or will be asked for some. */
  readonly target: number;
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
  /** How long its first waiter has stood there, ms. */
  readonly waitingMs: number;
  readonly cap: number | null;
  readonly weight: number;
  /** Permit time that it had, ms over its weight; comparable among providers that are busy. */
  readonly permitTimeMs: number;
}

export interface PoolView {
  readonly at: number;
  /** What a person set; null before anybody used the pool. */
  readonly configured: number | null;
  /** Configured less what is revoked. */
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
  /** The oldest first. */
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

/** Fields of a provider in show's reply, after its name. */
const providerFields = ["use", "marked", "cap", "weight", "queue", "pass", "at", "hold"];

export function readView(reply: unknown[]): PoolView {
  const [now, flatPool, flatProviders, flatHolders, flatFirst, ended] = reply as [
    string,
    string[],
    string[],
    string[],
    string[],
    string,
  ];
  const pool = toMap(flatPool);
  const number = (field: string): number => Number(pool.get(field) ?? 0);
  const first = toMap(flatFirst);
  const nowUs = Number(now);
  const holders: PermitHolding[] = [];
  for (let i = 0; i + 1 < flatHolders.length; i += 2) {
    const holding = readHolding(flatHolders[i]!, flatHolders[i + 1]!);
    if (holding) holders.push(holding);
  }
  const providers: ProviderPermits[] = [];
  for (let i = 0; i < flatProviders.length; i += providerFields.length + 1) {
    const values = flatProviders.slice(i, i + providerFields.length + 1);
    providers.push(readProvider(values, first.get(values[0]!), nowUs));
  }
  const effective = number("size") - number("taken");
  const allocated = number("used") - Number(ended);
  const listed = holders.reduce((sum, holder) => sum + holder.weight, 0);
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
    truncated: listed < allocated,
  };
}

function readProvider(values: string[], firstWaiter: string | undefined, nowUs: number): ProviderPermits {
  const [provider, ...rest] = values;
  const [use, marked, , weight, queue, pass, at] = rest.map(Number) as [...number[]];
  const cap = rest[2]!;
  const since = firstWaiter?.split("|")[4];
  return {
    provider: provider!,
    held: use!,
    askedBack: marked!,
    waiting: queue!,
    waitingMs: since === undefined ? 0 : Math.max(0, nowUs - Number(since)) / 1000,
    cap: cap === "" ? null : Number(cap),
    weight: weight!,
    permitTimeMs: (pass! + (use! * Math.max(0, nowUs - at!)) / weight!) / 1000,
  };
}

function readHolding(lease: string, facts: string): PermitHolding | undefined {
  const match = /^(\d+)\|(\d+)\|([^|]+)\|(\d+)\|(\d+)\|(\d+)\|\d+\|(.*)$/s.exec(facts);
  if (!match) return undefined;
  const [deadline, weight, fence, since, cut] = [1, 2, 4, 5, 6].map((i) => Number(match[i]));
  return {
    lease,
    provider: match[3]!,
    weight: weight!,
    target: weight! - cut!,
    fence: fence!,
    since: since! / 1000,
    expiresAt: deadline! / 1000,
    owner: match[7]!,
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

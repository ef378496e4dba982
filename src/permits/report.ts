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
  /** The longest-lived first. */
  readonly holders: readonly PermitHolding[];
  /** There are more holders than listed. */
  readonly truncated: boolean;
}

export interface AuditFinding {
  /** `count`, `lease-without-facts`, `lease-without-deadline`, `facts-unreadable`, `deadline-too-late`, `waiter-without-place`, … */
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

export function readView(reply: unknown[]): PoolView {
  const [now, flatFields, flatHolders, flatFirst, ended] = reply as [
    string,
    string[],
    string[],
    string[],
    string,
  ];
  const fields = toMap(flatFields);
  const number = (field: string): number => Number(fields.get(field) ?? 0);
  const first = toMap(flatFirst);
  const nowUs = Number(now);
  const holders: PermitHolding[] = [];
  for (let i = 0; i + 2 < flatHolders.length; i += 3) {
    const holding = readHolding(flatHolders[i]!, Number(flatHolders[i + 1]), flatHolders[i + 2]!);
    if (holding) holders.push(holding);
  }
  const effective = number("size") - number("taken");
  const allocated = number("used") - Number(ended);
  const names = (fields.get("names") ?? "").split("|").filter(Boolean).sort();
  const listed = holders.reduce((sum, holder) => sum + holder.weight, 0);
  return {
    at: nowUs / 1000,
    configured: fields.has("size") ? number("size") : null,
    effective,
    revoked: number("taken"),
    allocated,
    available: Math.max(0, effective - allocated),
    askedBack: number("marked"),
    waiting: number("waiting"),
    fence: number("fence"),
    holdUntil: number("holdUntil") > nowUs ? number("holdUntil") / 1000 : null,
    providers: names.map((provider) => {
      const cap = fields.get(`cap:${provider}`) ?? "";
      const since = first.get(provider)?.split("|")[4];
      const weight = number(`weight:${provider}`) || 1;
      const running = (number(`use:${provider}`) * Math.max(0, nowUs - number(`at:${provider}`))) / weight;
      return {
        provider,
        held: number(`use:${provider}`),
        askedBack: number(`marked:${provider}`),
        waiting: number(`queue:${provider}`),
        waitingMs: since === undefined ? 0 : Math.max(0, nowUs - Number(since)) / 1000,
        cap: cap === "" ? null : Number(cap),
        weight,
        permitTimeMs: (number(`pass:${provider}`) + running) / 1000,
      };
    }),
    holders,
    truncated: listed < allocated,
  };
}

function readHolding(lease: string, deadline: number, facts: string): PermitHolding | undefined {
  const match = /^(\d+)\|([^|]+)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|(.*)$/s.exec(facts);
  if (!match) return undefined;
  const [weight, fence, since, cut] = [match[1], match[3], match[4], match[5]].map(Number);
  return {
    lease,
    provider: match[2]!,
    weight: weight!,
    target: weight! - cut!,
    fence: fence!,
    since: since! / 1000,
    expiresAt: deadline / 1000,
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

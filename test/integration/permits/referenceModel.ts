/**
 * The permit pool as one would write it without Redis: lists and sums, nothing counted ahead. Times are µs on a clock that
 * the test hands in with every step.
 */

export interface ModelLease {
  lease: string;
  p: string;
  fence: number;
  since: number;
  asked: boolean;
  grace: number;
  deadline: number;
}

interface ModelWaiter {
  p: string;
  waiter: string;
  until: number;
}

interface ModelProvider {
  pass: number;
  at: number;
  hold: number;
}

export interface ModelTimes {
  life: number;
  grace: number;
  stay: number;
}

/** `time` ages with the test; `real` is Redis' own clock, which fences are made of. */
export interface Moment {
  time: number;
  real: number;
}

const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

export class PermitModel {
  size: number;
  taken = 0;
  fence = 0;
  leases: ModelLease[] = [];
  waiters: ModelWaiter[] = [];
  readonly providers = new Map<string, ModelProvider>();
  readonly times: ModelTimes;

  constructor(size: number, times: ModelTimes) {
    this.size = size;
    this.times = times;
  }

  get effective(): number {
    return this.size - this.taken;
  }
  get used(): number {
    return this.leases.length;
  }
  get marked(): number {
    return this.leases.filter((l) => l.asked).length;
  }
  use(p: string): number {
    return this.leases.filter((l) => l.p === p).length;
  }
  markedOf(p: string): number {
    return this.leases.filter((l) => l.p === p && l.asked).length;
  }
  queue(p: string): ModelWaiter[] {
    return this.waiters.filter((w) => w.p === p);
  }

  #provider(p: string): ModelProvider {
    let found = this.providers.get(p);
    if (!found) {
      found = { pass: 0, at: 0, hold: 0 };
      this.providers.set(p, found);
    }
    return found;
  }

  #pass(p: string, now: number): number {
    const { pass, at } = this.#provider(p);
    return pass + Math.floor(this.use(p) * Math.max(0, now - at));
  }

  #settle(p: string, now: number): void {
    const pass = this.#pass(p, now);
    Object.assign(this.#provider(p), { pass, at: now });
  }

  #end(lease: ModelLease, now: number, endedAt: number): void {
    this.#settle(lease.p, now);
    this.leases.splice(this.leases.indexOf(lease), 1);
    const provider = this.#provider(lease.p);
    provider.hold = Math.max(Math.max(0, endedAt - lease.since), Math.floor(provider.hold * 0.9));
  }

  /** Everything that is past its time. Returns how many leases. */
  #reap(now: number): number {
    const ended = this.leases
      .filter((l) => l.deadline <= now)
      .sort((a, b) => a.deadline - b.deadline || (a.lease < b.lease ? -1 : 1));
    for (const lease of ended) this.#end(lease, now, lease.deadline);
    this.waiters = this.waiters.filter((w) => w.until > now);
    return ended.length;
  }

  acquire(
    request: {
      lease: string;
      p: string;
      waiter: string;
      instead?: { lease: string; fence: number };
    },
    at: Moment,
  ) {
    const now = at.time;
    const { lease: name, p, waiter } = request;
    this.#provider(p);
    let freed = this.#reap(now);
    const old = this.leases.find(
      (l) => l.lease === request.instead?.lease && l.fence === request.instead.fence,
    );
    if (old) {
      this.#end(old, now, now);
      freed++;
    }
    const known = this.leases.find((l) => l.lease === name);
    if (known) {
      const renewed = this.#renewed(known, now);
      if (freed > 0) this.#hint(now);
      return { granted: true, fence: known.fence, ...renewed };
    }

    const free = this.effective - this.used;
    let granted = free > 0;
    let standing: ModelWaiter | undefined;
    if (free <= 0 || this.waiters.length > 0) {
      standing = this.#stand(p, waiter, now);
      granted = free > 0 && this.#deal(free, now).includes(standing);
    }

    if (!granted) {
      if (freed > 0) this.#hint(now);
      return { granted, ahead: this.queue(p).indexOf(standing!), reason: free <= 0 ? "full" : "turn" };
    }
    if (standing) this.waiters.splice(this.waiters.indexOf(standing), 1);
    else this.#awake(p, now);
    this.fence = Math.max(this.fence + 1, at.real);
    this.#settle(p, now);
    const deadline = now + this.times.life;
    const grant = {
      lease: name,
      p,
      fence: this.fence,
      since: now,
      asked: false,
      grace: 0,
      deadline,
    };
    this.leases.push(grant);
    if (freed > 0) this.#hint(now);
    return { granted, fence: grant.fence, mayKeep: true, lifeUs: this.times.life, graceUs: 0 };
  }

  renew(name: string, fence: number, at: Moment) {
    const now = at.time;
    const freed = this.#reap(now);
    const lease = this.leases.find((l) => l.lease === name);
    if (!lease || (fence > 0 && lease.fence !== fence)) {
      if (freed > 0) this.#hint(now);
      return { lost: true };
    }
    if (freed > 0) this.#hint(now);
    return { lost: false, ...this.#renewed(lease, now) };
  }

  #renewed(lease: ModelLease, now: number) {
    if (lease.asked) {
      lease.asked = this.used - (this.marked - 1) > this.effective;
      if (!lease.asked) lease.grace = 0;
      else if (lease.grace === 0) lease.grace = now + this.times.grace;
    }
    lease.deadline = Math.min(
      now + this.times.life,
      lease.grace > 0 ? lease.grace : Number.POSITIVE_INFINITY,
    );
    return {
      lifeUs: lease.deadline - now,
      mayKeep: !lease.asked,
      graceUs: lease.grace > 0 ? lease.grace - now : 0,
    };
  }

  release(name: string, fence: number, at: Moment) {
    const freed = this.#reap(at.time);
    const lease = this.leases.find((l) => l.lease === name && (fence === 0 || l.fence === fence));
    if (lease) this.#end(lease, at.time, at.time);
    if (lease || freed > 0) this.#hint(at.time);
    return { given: lease !== undefined };
  }

  leave(p: string, waiter: string, at: Moment) {
    const freed = this.#reap(at.time);
    const index = this.waiters.findIndex((w) => w.p === p && w.waiter === waiter);
    if (index >= 0) this.waiters.splice(index, 1);
    if (index >= 0 || freed > 0) this.#hint(at.time);
    return { left: index >= 0 };
  }

  govern(operation: string, value: number, at: Moment) {
    const now = at.time;
    this.#reap(now);
    const before = this.effective;
    let changed = true;
    if (operation === "resize") {
      this.size = value;
      this.taken = Math.min(this.taken, value - 1);
    } else if (operation === "revoke") {
      const held = Math.min(before, this.used);
      const target = Math.max(1, held - value);
      changed = held > 0 && target < before;
      if (changed) this.taken = this.size - target;
    } else {
      changed = this.taken > 0;
      this.taken = Math.max(0, this.taken - value);
    }
    if (changed) {
      this.#askBack();
      this.#hint(now);
    }
    return {
      changed,
      configured: this.size,
      effective: this.effective,
      allocated: this.used,
      askedBack: this.marked,
      effectiveBefore: before,
    };
  }

  /** Leases are asked back, the newest first, until the provider keeps `keep`. */
  #askUntil(p: string, keep: number): void {
    const mine = this.leases.filter((l) => l.p === p && !l.asked).sort((a, b) => b.fence - a.fence);
    for (const lease of mine.slice(0, mine.length - keep)) lease.asked = true;
  }

  #askBack(): void {
    const kept = (p: string): number => this.use(p) - this.markedOf(p);
    const total = this.used - this.marked;
    if (total <= this.effective) return;
    const keep = new Map(
      [...this.providers.keys()].map((p) => [p, Math.floor((kept(p) * this.effective) / total)]),
    );
    while (sum([...keep.values()]) < this.effective) {
      const [p] = [...keep]
        .filter(([name, parts]) => parts < kept(name))
        .sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))[0]!;
      keep.set(p, keep.get(p)! + 1);
    }
    for (const [p, parts] of keep) if (kept(p) > parts) this.#askUntil(p, parts);
  }

  #awake(p: string, now: number): void {
    if (this.use(p) > 0 || this.queue(p).length > 0) return;
    const active = [...this.providers.keys()].filter((o) => this.use(o) > 0 || this.queue(o).length > 0);
    const least = Math.min(...active.map((o) => this.#pass(o, now)));
    if (active.length > 0 && least > this.#pass(p, now)) {
      Object.assign(this.#provider(p), { pass: least, at: now });
    }
  }

  #stand(p: string, waiter: string, now: number): ModelWaiter {
    const until = now + this.times.stay;
    let found = this.waiters.find((w) => w.p === p && w.waiter === waiter);
    if (!found) {
      this.#awake(p, now);
      found = { p, waiter, until };
      this.waiters.push(found);
    }
    return Object.assign(found, { until });
  }

  #hint(now: number): void {
    const free = this.effective - this.used;
    if (this.waiters.length > 0 && free > 0) this.#deal(free, now);
  }

  /** Who gets one of the free permits, in their order. */
  #deal(free: number, now: number): ModelWaiter[] {
    const names = [...this.providers.keys()];
    const active = names.filter((p) => this.use(p) > 0 || this.queue(p).length > 0);
    const share = this.effective / Math.max(1, active.length);
    const longest = Math.max(0, ...active.map((p) => this.#provider(p).hold));
    const waiting = names.filter((p) => this.queue(p).length > 0);
    const least = Math.min(...waiting.map((p) => this.#pass(p, now)));
    for (const p of waiting) {
      const bound = Math.min(this.#pass(p, now), least + longest);
      if (bound !== this.#pass(p, now)) Object.assign(this.#provider(p), { pass: bound, at: now });
    }

    const dealt: ModelWaiter[] = [];
    const gotten = (p: string): number => dealt.filter((w) => w.p === p).length;
    while (dealt.length < free) {
      const heads = waiting.flatMap((p) => {
        const head = this.queue(p).find((w) => !dealt.includes(w));
        if (!head) return [];
        const load = this.use(p) + gotten(p);
        const rank = load < Math.floor(share) ? 1 : load < Math.ceil(share) ? 2 : 3;
        return [{ head, p, rank, load, pass: this.#pass(p, now) }];
      });
      heads.sort(
        (a, b) =>
          a.rank - b.rank || (a.rank === 2 ? 0 : a.load - b.load) || a.pass - b.pass || (a.p < b.p ? -1 : 1),
      );
      if (!heads[0]) break;
      dealt.push(heads[0].head);
    }
    return dealt;
  }
}

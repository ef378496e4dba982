/**
 * The permit pool as one would write it without Redis: lists and sums, nothing counted ahead. Times are µs on a clock that
 * the test hands in with every step.
 */

export interface ModelLease {
  lease: string;
  p: string;
  weight: number;
  fence: number;
  since: number;
  cut: number;
  grace: number;
  deadline: number;
}

interface ModelWaiter {
  p: string;
  waiter: string;
  want: number;
  min: number;
  until: number;
}

interface ModelProvider {
  cap: number;
  weight: number;
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
    return sum(this.leases.map((l) => l.weight));
  }
  get marked(): number {
    return sum(this.leases.map((l) => l.cut));
  }
  use(p: string): number {
    return sum(this.leases.filter((l) => l.p === p).map((l) => l.weight));
  }
  markedOf(p: string): number {
    return sum(this.leases.filter((l) => l.p === p).map((l) => l.cut));
  }
  queue(p: string): ModelWaiter[] {
    return this.waiters.filter((w) => w.p === p);
  }

  #provider(p: string): ModelProvider {
    let found = this.providers.get(p);
    if (!found) {
      found = { cap: Number.POSITIVE_INFINITY, weight: 1, pass: 0, at: 0, hold: 0 };
      this.providers.set(p, found);
    }
    return found;
  }

  #pass(p: string, now: number): number {
    const { pass, at, weight } = this.#provider(p);
    return pass + Math.floor((this.use(p) * Math.max(0, now - at)) / weight);
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
      want: number;
      min: number;
      waiter: string;
      instead?: { lease: string; fence: number };
    },
    at: Moment,
  ) {
    const now = at.time;
    const { lease: name, p, want, min, waiter } = request;
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
      return { granted: known.weight, fence: known.fence, ...renewed };
    }

    const free = this.effective - this.used;
    const room = this.#provider(p).cap - this.use(p);
    let granted = 0;
    let standing: ModelWaiter | undefined;
    if (free <= 0 || this.waiters.length > 0) {
      standing = this.#stand(p, waiter, want, min, now);
      if (free > 0) granted = this.#deal(free, now).get(standing) ?? 0;
    } else if (Math.min(free, room) >= min) {
      granted = Math.min(want, free, room);
    } else {
      standing = this.#stand(p, waiter, want, min, now);
    }

    if (granted === 0) {
      if (freed > 0) this.#hint(now);
      const reason = room <= 0 ? "capped" : free < min ? "full" : "turn";
      return { granted: 0, ahead: this.queue(p).indexOf(standing!), reason };
    }
    if (standing) this.waiters.splice(this.waiters.indexOf(standing), 1);
    else this.#awake(p, now);
    this.fence = Math.max(this.fence + 1, at.real);
    this.#settle(p, now);
    const deadline = now + this.times.life;
    const grant = {
      lease: name,
      p,
      weight: granted,
      fence: this.fence,
      since: now,
      cut: 0,
      grace: 0,
      deadline,
    };
    this.leases.push(grant);
    if (freed > 0) this.#hint(now);
    return { granted, fence: grant.fence, keep: granted, lifeUs: this.times.life, graceUs: 0 };
  }

  renew(name: string, fence: number, keep: number, at: Moment) {
    const now = at.time;
    const freed = this.#reap(now);
    const lease = this.leases.find((l) => l.lease === name);
    if (!lease || (fence > 0 && lease.fence !== fence)) {
      if (freed > 0) this.#hint(now);
      return { lost: true };
    }
    if (keep >= 0 && keep < lease.weight) {
      if (keep === 0) this.#end(lease, now, now);
      else {
        this.#settle(lease.p, now);
        lease.cut = Math.max(0, lease.cut - (lease.weight - keep));
        lease.weight = keep;
        if (lease.cut === 0) lease.grace = 0;
      }
      this.#hint(now);
    } else if (freed > 0) this.#hint(now);
    if (keep === 0) return { lost: false, permits: 0, keep: 0, lifeUs: 0, graceUs: 0 };
    const renewed = this.#renewed(lease, now);
    return { lost: false, permits: lease.weight, ...renewed };
  }

  #renewed(lease: ModelLease, now: number) {
    if (lease.cut > 0) {
      const others = this.marked - lease.cut;
      const over = this.used - others - this.effective;
      const overCap = this.use(lease.p) - (this.markedOf(lease.p) - lease.cut) - this.#provider(lease.p).cap;
      lease.cut = Math.min(lease.cut, Math.max(0, over, overCap));
      if (lease.cut === 0) lease.grace = 0;
      else if (lease.grace === 0) lease.grace = now + this.times.grace;
    }
    lease.deadline = Math.min(
      now + this.times.life,
      lease.grace > 0 ? lease.grace : Number.POSITIVE_INFINITY,
    );
    return {
      lifeUs: lease.deadline - now,
      keep: lease.weight - lease.cut,
      graceUs: lease.grace > 0 ? lease.grace - now : 0,
    };
  }

  release(name: string, fence: number, at: Moment) {
    const freed = this.#reap(at.time);
    const lease = this.leases.find((l) => l.lease === name && (fence === 0 || l.fence === fence));
    if (lease) this.#end(lease, at.time, at.time);
    if (lease || freed > 0) this.#hint(at.time);
    return { given: lease?.weight ?? 0 };
  }

  leave(p: string, waiter: string, at: Moment) {
    this.#reap(at.time);
    const index = this.waiters.findIndex((w) => w.p === p && w.waiter === waiter);
    if (index >= 0) {
      this.waiters.splice(index, 1);
      this.#hint(at.time);
    }
    return { left: index >= 0 };
  }

  govern(operation: string, value: number | null, p: string, at: Moment) {
    const now = at.time;
    this.#reap(now);
    const before = this.effective;
    let changed = true;
    if (operation === "resize") {
      this.size = value!;
      this.taken = Math.min(this.taken, value! - 1);
    } else if (operation === "revoke") {
      const held = Math.min(before, this.used);
      const target = Math.max(1, held - value!);
      changed = held > 0 && target < before;
      if (changed) this.taken = this.size - target;
    } else if (operation === "restore") {
      changed = this.taken > 0;
      this.taken = Math.max(0, this.taken - value!);
    } else if (operation === "cap") {
      this.#provider(p).cap = value ?? Number.POSITIVE_INFINITY;
    } else {
      this.#provider(p);
      this.#settle(p, now);
      this.#provider(p).weight = value!;
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

  /** Leases give back, the newest first, none below its own part, until the provider keeps `keep`. */
  #shrinkTo(p: string, keep: number): void {
    const kept = this.use(p) - this.markedOf(p);
    const mine = this.leases.filter((l) => l.p === p).sort((a, b) => b.fence - a.fence);
    let excess = kept - keep;
    for (const lease of mine) {
      const stays = lease.weight - lease.cut;
      const cut = Math.max(0, Math.min(excess, stays - Math.floor((stays * keep) / kept)));
      lease.cut += cut;
      excess -= cut;
    }
  }

  #askBack(): void {
    const kept = (p: string): number => this.use(p) - this.markedOf(p);
    for (const [p, { cap }] of this.providers) if (kept(p) > cap) this.#shrinkTo(p, cap);
    const total = this.used - this.marked;
    if (total <= this.effective) return;
    const keep = new Map(
      [...this.providers.keys()].map((p) => [p, Math.floor((kept(p) * this.effective) / total)]),
    );
    while (sum([...keep.values()]) < this.effective) {
      const [p] = [...keep]
        .filter(([name, parts]) => parts < kept(name))
        .sort(
          (a, b) =>
            a[1] / this.#provider(a[0]).weight - b[1] / this.#provider(b[0]).weight || (a[0] < b[0] ? -1 : 1),
        )[0]!;
      keep.set(p, keep.get(p)! + 1);
    }
    for (const [p, parts] of keep) if (kept(p) > parts) this.#shrinkTo(p, parts);
  }

  #awake(p: string, now: number): void {
    if (this.use(p) > 0 || this.queue(p).length > 0) return;
    const active = [...this.providers.keys()].filter((o) => this.use(o) > 0 || this.queue(o).length > 0);
    const least = Math.min(...active.map((o) => this.#pass(o, now)));
    if (active.length > 0 && least > this.#pass(p, now)) {
      Object.assign(this.#provider(p), { pass: least, at: now });
    }
  }

  #stand(p: string, waiter: string, want: number, min: number, now: number): ModelWaiter {
    const until = now + this.times.stay;
    let found = this.waiters.find((w) => w.p === p && w.waiter === waiter);
    if (!found) {
      this.#awake(p, now);
      found = { p, waiter, want, min, until };
      this.waiters.push(found);
    }
    return Object.assign(found, { want, min, until });
  }

  #hint(now: number): void {
    const free = this.effective - this.used;
    if (this.waiters.length > 0 && free > 0) this.#deal(free, now);
  }

  /** Who gets how many of the free permits. */
  #deal(free: number, now: number): Map<ModelWaiter, number> {
    const names = [...this.providers.keys()];
    const active = names.filter((p) => this.use(p) > 0 || this.queue(p).length > 0);
    const share = this.effective / Math.max(1, sum(active.map((p) => this.#provider(p).weight)));
    const longest = Math.max(0, ...active.map((p) => this.#provider(p).hold));
    const waiting = names.filter((p) => this.queue(p).length > 0);
    const roomOf = (p: string): number => this.#provider(p).cap - this.use(p);
    const least = Math.min(...waiting.filter((p) => roomOf(p) > 0).map((p) => this.#pass(p, now)));
    for (const p of waiting) {
      const pass = this.#pass(p, now);
      const bound = roomOf(p) > 0 ? Math.min(pass, least + longest) : Math.max(pass, least);
      if (bound !== pass && Number.isFinite(bound))
        Object.assign(this.#provider(p), { pass: bound, at: now });
    }

    const dealt = new Map<ModelWaiter, number>();
    const gotten = (p: string): number => sum([...dealt].filter(([w]) => w.p === p).map(([, n]) => n));
    for (let left = free; left > 0; ) {
      const heads = waiting.flatMap((p) => {
        const head = this.queue(p).find((w) => (dealt.get(w) ?? 0) < w.want);
        const room = roomOf(p) - gotten(p);
        if (!head || room <= 0) return [];
        const step = dealt.has(head) ? 1 : head.min;
        if (step > Math.min(left, room)) return [];
        const holds = this.use(p) + gotten(p);
        const { weight } = this.#provider(p);
        const mine = share * weight;
        const rank = holds < Math.floor(mine) ? 1 : holds < Math.ceil(mine) ? 2 : 3;
        return [{ head, step, p, rank, load: holds / weight, pass: this.#pass(p, now) }];
      });
      if (heads.length === 0) break;
      heads.sort(
        (a, b) =>
          a.rank - b.rank || (a.rank === 2 ? 0 : a.load - b.load) || a.pass - b.pass || (a.p < b.p ? -1 : 1),
      );
      const { head, step } = heads[0]!;
      dealt.set(head, (dealt.get(head) ?? 0) + step);
      left -= step;
    }
    return dealt;
  }
}

/**
 * Law 4: permits are never over-granted; counted from the leases themselves, by Redis' clock, whatever the pool says of
 * itself. What a Redis forgot is held until it ends.
 */
import { checkPermitLog, readPermitLog } from "../../support/permitChecker.ts";
import type { LawMaker } from "./law.ts";
import { byText } from "./model.ts";

/** A lowered size is reached within one lease and one grace (docs/permits.md), ms. */
const DECAY_MS = 24_000;
const SLACK_MS = 2_000;

export const permits: LawMaker = ({ model, events }, { breach, looked }) => {
  const sizes: { until: number; size: number }[] = [];
  const held = (nowUs: number): number => {
    let sum = 0;
    for (const lease of model.leases.values()) if (lease.until > nowUs && !lease.ended) sum += lease.weight;
    for (const lease of model.forgotten) if (lease.until > nowUs) sum += lease.weight;
    return sum;
  };

  return {
    event(event) {
      if (event.k !== "fx") return;
      const { t, e } = event;
      // Leases end by the clock of Redis.
      const nowUs = (event.r ?? t) * 1000;
      if (e.fx === "pool") {
        const before = model.pool ? model.pool.size - model.pool.taken : 0;
        if (before !== e.size - e.taken) sizes.push({ until: t, size: before });
        looked();
        let counted = 0;
        for (const lease of model.leases.values()) counted += lease.weight;
        if (counted !== e.used)
          breach(`the pool counts ${e.used} held by ${byText(e.by)}, there are ${counted}`, t);
      }
      if (e.fx === "lease" && !model.leases.has(e.lease)) {
        looked();
        const size = model.pool ? model.pool.size - model.pool.taken : Number.POSITIVE_INFINITY;
        const now = held(nowUs) + e.weight;
        if (now > size) breach(`${e.lease} makes it ${now} of ${size}`, t);
      }
      if (e.fx === "lease" || e.fx === "pool") {
        const effective =
          e.fx === "pool" ? e.size - e.taken : (model.pool?.size ?? 0) - (model.pool?.taken ?? 0);
        const lately = sizes.filter(({ until }) => until >= t - DECAY_MS - SLACK_MS).map(({ size }) => size);
        const most = Math.max(effective, ...lately);
        const now = held(nowUs);
        if (model.pool && now > most)
          breach(`${now} are held, and for ${DECAY_MS} ms ${most} were the most`, t);
      }
      if (e.fx === "lease-end") {
        if (e.by?.script !== "release") return;
        for (const name of e.leases) {
          const lease = model.leases.get(name);
          looked();
          if (!lease || lease.until <= nowUs || e.by.fence === "0") continue;
          if (lease.fence !== e.by.fence) {
            breach(
              `${name} (fence ${lease.fence}) was released by another holder, with fence ${e.by.fence}`,
              t,
            );
          }
        }
      }
    },

    end() {
      const audits = events.filter((event) => event.k === "audit");
      if (audits.length === 0) breach("the pool was not audited");
      for (const { findings, used } of audits) {
        looked();
        for (const finding of findings) breach(`the audit finds ${finding}`);
        if (used > 0) breach(`${used} permits are held by a fleet that has left`);
      }
      // The pool's own log, by a checker of its own; a Redis that forgot has a log that forgot.
      if (events.some((event) => event.k === "redis" && event.lostMs > 0)) return;
      // Its times are of a clock that was set: in no order.
      if (events.some((event) => event.k === "clock")) return;
      const restarts = events.filter((event) => event.k === "snapshot").length;
      const log = events.flatMap((event, i) =>
        event.k === "fx" && event.e.fx === "permit-log"
          ? [[`${i}-0`, event.e.fields] as [string, string[]]]
          : [],
      );
      if (restarts > 1 || log.length === 0) return;
      const verdict = checkPermitLog(readPermitLog(log), (DECAY_MS + SLACK_MS) * 1000);
      looked(verdict.grants);
      for (const violation of verdict.violations) breach(`by its log: ${violation}`);
    },
  };
};

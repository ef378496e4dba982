/** Does to the world what the plan says, when it says so, and writes down what it did. */
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../src/simulator/random.ts";
import { type Upstream, upstreamNames } from "../../src/simulator/types.ts";
import type { HistoryWriter } from "./history.ts";
import type { Action, Plan, When } from "./plan.ts";
import type { Fleet } from "./world/fleet.ts";
import type { People } from "./world/people.ts";
import type { ChaosSimulator } from "./world/simulator.ts";
import type { Trouble } from "./world/troubles.ts";

export interface World {
  history: HistoryWriter;
  fleet: Fleet;
  people: People;
  simulator: ChaosSimulator;
  troubles: Trouble;
}

/** A worker that does not come by the place for so long is struck wherever it is. */
const STRIKE_WITHIN_MS = 6_000;

const lastModifiedOf = (data: Record<string, unknown> | undefined): number | null => {
  const text = data?.lastModified;
  return typeof text === "string" ? Date.parse(`${text}Z`) : null;
};

/** What the upstream holds now, for the verifier. */
export async function noteTruth({ history, simulator }: World, provider: Upstream): Promise<void> {
  const content = await simulator.content(provider);
  history.now({
    k: "truth",
    p: provider,
    versions: content.map(({ id, data }) => [id, lastModifiedOf(data)]),
  });
}

export class Conductor {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #random: Random;
  #over = new AbortController();
  #faults = 0;
  /** What the track of faults has set, and what editions that are published at present have wrong. */
  #drawn: readonly string[] = [];
  readonly #flaws = new Map<string, string>();

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
    this.#random = new Random(plan.seed * 31 + 7);
  }

  /** Resolves when the last action has been begun and what they broke has mended. */
  async play(): Promise<void> {
    const started = performance.now();
    const going: Promise<void>[] = [];
    for (const { atMs, ...action } of this.#plan.actions) {
      await sleep(Math.max(0, started + atMs - performance.now()));
      going.push(this.#do(action));
    }
    await sleep(Math.max(0, started + this.#plan.minutes * 60_000 - performance.now()));
    this.#over.abort();
    await Promise.all(going);
    await this.#world.troubles.settled();
  }

  async #do(action: Action): Promise<void> {
    const { do: kind, ...facts } = action;
    const note = (ok: boolean, detail: string): void =>
      this.#world.history.now({ k: "act", kind, target: JSON.stringify(facts), ok, detail });
    try {
      note(true, "begins");
      await this.#perform(action, note);
    } catch (error) {
      note(false, error instanceof Error ? error.message : String(error));
    }
  }

  #strike(slot: number, signal: "SIGKILL" | "SIGSTOP", when: When): Promise<boolean> {
    const options = { withinMs: STRIKE_WITHIN_MS, signal: this.#over.signal };
    return this.#world.fleet.strike(slot, signal, when, options);
  }

  /** Ends early when the hunt is over. */
  async #for(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }

  async #perform(action: Action, note: (ok: boolean, detail: string) => void): Promise<void> {
    const { fleet, people, simulator, troubles, history } = this.#world;
    const lines = troubles.lines!;
    switch (action.do) {
      case "run":
        await people.openRun(action.provider, action.mode, action.via);
        return;
      case "kill":
        note(await this.#strike(action.slot, "SIGKILL", action.when), "struck");
        return;
      case "sleep":
        if (!(await this.#strike(action.slot, "SIGSTOP", action.when))) {
          note(false, "no worker was hit");
          return;
        }
        await this.#for(action.forMs);
        fleet.wake(action.slot);
        return;
      case "term":
        note(await fleet.terminate(action.slot), "left");
        return;
      case "redis-kill":
        return await troubles.kill("killed", { downMs: action.downMs, lostMs: 0 });
      case "redis-power-cut":
        return await troubles.kill("power cut", action);
      case "redis-freeze":
        return await troubles.freeze(action.forMs);
      case "client-kill":
        return await troubles.killClients(action.share);
      case "script-flush":
        return await troubles.flushScripts();
      case "out-of-memory":
        return await troubles.starve(action.forMs);
      case "disk-full":
        return await troubles.fillDisk(action.forMs);
      case "failover":
        return await troubles.failOver(action.of);
      case "clock-step":
        return await troubles.stepClock(action.offsetMs, action.forMs);
      case "line-swallow":
        lines.set(action.slot, { kind: "swallows", direction: action.direction });
        await this.#for(action.forMs);
        lines.set(action.slot, { kind: "well" });
        return;
      case "line-slow":
        lines.set(action.slot, { kind: "slow", delayMs: action.delayMs });
        await this.#for(action.forMs);
        lines.set(action.slot, { kind: "well" });
        return;
      case "line-refuse":
        lines.set(action.slot, { kind: "refuses" });
        await this.#for(action.forMs);
        lines.set(action.slot, { kind: "well" });
        return;
      case "line-cut":
        lines.cut(action.slot);
        return;
      case "faults": {
        const mine = ++this.#faults;
        this.#drawn = action.faults;
        await this.#setFaults();
        await this.#for(action.forMs);
        // Others may have been set meanwhile: those are theirs to end.
        if (mine !== this.#faults) return;
        this.#drawn = [];
        await this.#setFaults();
        return;
      }
      case "take-back":
        return await this.#takeBack(action);
      case "content":
        return await this.#change(action);
      case "point": {
        for (const p of upstreamNames) history.now({ k: "changing", p });
        const reports = await simulator.moveOn();
        for (const provider of upstreamNames) {
          history.now({ k: "content", p: provider, report: { ...reports[provider] }, ok: true });
          await noteTruth(this.#world, provider);
        }
        return;
      }
      case "pause": {
        const by = { actor: "chaos", reason: "a person wants it" };
        await people.act("pause", action.provider, (engine) => engine.pause(action.provider, by));
        await this.#for(action.forMs);
        await people.act("resume", action.provider, (engine) => engine.resume(action.provider, by));
        return;
      }
      case "stop":
        await people.act("stop", action.provider, (engine) =>
          engine.stop(action.provider, { actor: "chaos" }),
        );
        return;
      case "replay": {
        const replay = () =>
          people.act("replay", action.provider, (engine) =>
            engine.deadLetters.replay({ provider: action.provider }, { actor: "chaos" }),
          );
        await Promise.all(action.twice ? [replay(), replay()] : [replay()]);
        return;
      }
      case "accept":
      case "purge": {
        const { do: what, provider } = action;
        await people.act(what, provider, (engine) =>
          engine.deadLetters[what]({ provider }, { actor: "chaos", limit: 2 }),
        );
        return;
      }
      case "reset-breaker":
        await people.act("reset", action.provider, (engine) =>
          engine.resetBreaker(action.provider, { actor: "chaos" }),
        );
        return;
      case "resize":
        await people.act("resize", null, (engine) =>
          engine.permits.resize(action.size, { actor: "chaos", reason: "a person wants it" }),
        );
        return;
    }
  }

  async #change(action: Extract<Action, { do: "content" }>): Promise<void> {
    const { provider, add, modify, silent, remove } = action;
    await this.#publish({ provider, add, modify, remove, ...(silent > 0 ? { silent } : {}) });
  }

  async #setFaults(): Promise<void> {
    const { simulator, history } = this.#world;
    const faults = [...this.#drawn, ...this.#flaws.values()];
    await simulator.setFaults(faults);
    history.now({ k: "faults", faults });
  }

  /** An edition that has records of its own, so that a store that still holds them is told from one that does not. */
  async #takeBack({ provider, how, forMs }: Extract<Action, { do: "take-back" }>): Promise<void> {
    if (how === "bad") {
      this.#flaws.set(provider, `bad-record@0.05:${provider}`);
      await this.#setFaults();
    }
    await this.#publish({ provider, add: 3, modify: 5, ...(how === "shrunk" ? { remove: "45%" } : {}) });
    await this.#for(forMs);
    await this.#publish({ provider, takeBack: true });
    if (this.#flaws.delete(provider)) await this.#setFaults();
    if (how !== "stale") return;
    await this.#for(forMs);
    await this.#publish({ provider, takeBack: true });
  }

  async #publish(change: { provider: Upstream } & Record<string, unknown>): Promise<void> {
    const { simulator, history } = this.#world;
    const { provider } = change;
    history.now({ k: "changing", p: provider });
    const report = await simulator.change(change);
    history.now({ k: "content", p: provider, report: { ...report }, ok: true });
    await noteTruth(this.#world, provider);
  }

  random = (): number => this.#random.next();
}

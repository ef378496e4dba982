/**
 * From commands to effects: which of the engine's keys a command wrote, what that means, and in the name of which attempt.
 * Knows the layout of the store (redis/keys.ts) and the arguments of the scripts, and nothing of their reasoning.
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { luaTables } from "../../../src/machines/luaTables.ts";
import { unpackIndexEntry } from "../../../src/records/indexEntry.ts";
import { loadScript } from "../../../src/redis/scripts.ts";
import type { By, Effect, Version } from "../history.ts";
import { type MonitorLine, pairsOf, readMonitorLine, utf8 } from "./monitorLine.ts";

/** Scripts whose first two arguments are batch and fence; the place of the run's key among their keys. */
const runKeyPlace: Readonly<Record<string, number>> = { openRun: 3, openReplayRun: 2, dropDeadLetter: 3 };
const fenced: ReadonlySet<string> = new Set([
  "commit",
  "mark",
  "remove",
  "planRecords",
  "checkpoint",
  "markBatchDead",
  "extendRun",
  "beginClosing",
  "setRunFields",
  "closeRun",
]);

/** sha1 → the script's name without its number of keys; read from `src/`, as the processes under test have it. */
export function ownScripts(src: URL): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(src, { recursive: true, encoding: "utf8" })) {
    const name = /([^/]+)-(?:\d+|n)\.lua$/.exec(entry)?.[1];
    if (name === undefined || !entry.includes("lua/")) continue;
    found.set(loadScript(new URL(entry, src), luaTables).sha, name);
  }
  return found;
}

export function versionOf(id: string, packed: string): Version {
  const entry = unpackIndexEntry(packed);
  return { id, fetchedAt: entry.fetchedAt, lastModified: entry.lastModified ?? null };
}

export interface PoolNumbers {
  size: number;
  taken: number;
  used: number;
}

/** The first three doubles of src/permits/lua/formats.lua. */
export function poolNumbers(packed: Buffer): PoolNumbers {
  return { size: packed.readDoubleLE(0), taken: packed.readDoubleLE(8), used: packed.readDoubleLE(16) };
}

/** A lease as src/permits/lua/pool.lua keeps it. */
export function leaseOf(facts: string): { until: number; weight: number; p: string; fence: string } {
  const [until, weight, p, fence] = facts.split("|");
  return { until: Number(until), weight: Number(weight), p: p ?? "", fence: fence ?? "" };
}

const runFields: ReadonlySet<string> = new Set([
  "state",
  "result",
  "mode",
  "pass",
  "startedAt",
  "endedAt",
  "verdict",
  "removal",
  "checkpoint",
  "watermarkBefore",
  "nameless",
  "kind",
  "namelessCount",
]);

/** Follows the lines of one connection; a script's own line tells what the lines inside of it belong to. */
export class EffectReader {
  readonly #keys: RegExp;
  readonly #fleet: string;
  readonly #scripts: Map<string, string>;
  readonly #texts = new Map<string, string>();
  #by: By | null = null;

  constructor(options: { prefix: string; scripts: Map<string, string> }) {
    this.#keys = new RegExp(`^\\{${options.prefix}:([a-z]+)(?::([a-z-]+))?\\}:(.+)$`, "s");
    this.#fleet = `{${options.prefix}}:`;
    this.#scripts = options.scripts;
  }

  read(text: string): { at: number; effects: Effect[] } | undefined {
    const line = readMonitorLine(text);
    if (!line) return undefined;
    if (!line.lua) {
      this.#by = null;
      if (line.command === "evalsha" || line.command === "eval") this.#by = this.#enter(line);
    }
    return { at: line.at, effects: this.#effects(line) };
  }

  #enter(line: MonitorLine): By {
    const [script = "", count = "0"] = line.args(2);
    const name = this.#scripts.get(line.command === "eval" ? this.#sha(script) : script) ?? "foreign";
    if (name === "foreign") return { script: name };
    const keys = Number(count);
    const args = line.args(2 + keys + 4);
    const runKey = args[2 + (runKeyPlace[name] ?? 0)] ?? "";
    const run = /:run:([^:]+)$/.exec(runKey)?.[1];
    const [first = "", second = "", third = "", fourth = ""] = args.slice(2 + keys);
    return {
      script: name,
      ...(run === undefined ? {} : { run }),
      ...(fenced.has(name) ? { batch: utf8(first), fence: second } : {}),
      ...(name === "dropDeadLetter" ? { how: second } : {}),
      ...(name === "beginAttempt" ? { batch: utf8(first) } : {}),
      // After the pool's settings and the provider: lease and fence.
      ...(name === "release" ? { batch: utf8(third), fence: fourth } : {}),
    };
  }

  #sha(source: string): string {
    const known = this.#texts.get(source);
    if (known !== undefined) return known;
    const sha = createHash("sha1").update(Buffer.from(source, "latin1")).digest("hex");
    this.#texts.set(source, sha);
    return sha;
  }

  #effects(line: MonitorLine): Effect[] {
    const { key } = line;
    const found = this.#keys.exec(key);
    if (!found) {
      if (key === `${this.#fleet}macro-machine` && line.command === "hset") {
        return [{ fx: "machine", machine: "macro", set: pairsOf(line.args().slice(1).map(utf8)) }];
      }
      if (key === `${this.#fleet}macro-transitions` && line.command === "xadd") {
        return [{ fx: "transition", machine: "macro", fields: this.#xadd(line).fields }];
      }
      return [];
    }
    const [, owner, upstream, rest] = found as unknown as [string, string, string | undefined, string];
    if (owner === "permits") return this.#permits(line, rest);
    if (upstream !== undefined) {
      return line.command === "xadd" && rest === "breaker-transitions"
        ? [{ fx: "breaker", upstream, fields: this.#xadd(line).fields }]
        : [];
    }
    if (rest.startsWith("run:")) return this.#run(line, owner, rest.slice(4));
    return this.#provider(line, owner, rest);
  }

  #xadd(line: MonitorLine): { id: string; fields: Record<string, string>; flat: string[] } {
    const args = line.args().slice(1);
    let at = 0;
    if (args[at]?.toUpperCase() === "MAXLEN") {
      at++;
      if (args[at] === "~" || args[at] === "=") at++;
      at++;
    }
    const flat = args.slice(at + 1).map(utf8);
    return { id: args[at] ?? "", fields: pairsOf(flat), flat };
  }

  #permits(line: MonitorLine, what: string): Effect[] {
    const by = this.#by;
    if (what === "leases" && line.command === "hset") {
      return Object.entries(pairsOf(line.args().slice(1))).map(([lease, facts]) => ({
        fx: "lease",
        lease: utf8(lease),
        ...leaseOf(facts),
        by,
      }));
    }
    if (what === "leases" && line.command === "hdel") {
      const leases = line
        .args()
        .slice(1)
        .map(utf8)
        .filter((lease) => lease !== "");
      return leases.length === 0 ? [] : [{ fx: "lease-end", leases, by }];
    }
    if (what === "pool" && line.command === "hset") {
      const { pool } = pairsOf(line.args().slice(1));
      return pool === undefined ? [] : [{ fx: "pool", ...poolNumbers(Buffer.from(pool, "latin1")), by }];
    }
    if (what === "log" && line.command === "xadd") {
      return [{ fx: "permit-log", fields: this.#xadd(line).flat }];
    }
    return [];
  }

  #run(line: MonitorLine, p: string, rest: string): Effect[] {
    const by = this.#by;
    const [run = "", part] = rest.split(":");
    const { command } = line;
    if (part === undefined) {
      if (command === "hset") {
        const all = Object.entries(pairsOf(line.args().slice(1).map(utf8)));
        const set = Object.fromEntries(
          all.filter(([name]) => runFields.has(name) || name.startsWith("prefix:")),
        );
        return Object.keys(set).length === 0 ? [] : [{ fx: "run", p, run, set, by }];
      }
      if (command === "hincrby" && line.args(2)[1] === "requests") return [{ fx: "counted", p, run, by }];
      return [];
    }
    if (part === "status" && command === "hset") {
      const set = pairsOf(line.args().slice(1).map(utf8));
      return Object.entries(set).map(([batch, status]) => ({ fx: "status", p, run, batch, status, by }));
    }
    if (part === "fences" && command === "hset") {
      const set = pairsOf(line.args().slice(1).map(utf8));
      return Object.entries(set).map(([batch, fence]) => ({ fx: "fence", p, run, batch, fence, by }));
    }
    if (part === "seen" && command === "hset") {
      const set = pairsOf(line.args().slice(1).map(utf8));
      return [{ fx: "seen", p, run, marks: Object.entries(set), by }];
    }
    if (part === "order" && command === "hset") {
      const set = pairsOf(line.args().slice(1).map(utf8));
      return Object.entries(set).map(([place, batch]) => ({ fx: "order", p, run, place, batch }));
    }
    if (part === "batches" && command === "hsetnx") {
      const [, batch = "", json = "{}"] = line.args(3).map(utf8);
      const { kind, size } = JSON.parse(json) as { kind: string; size: number };
      return [{ fx: "planned", p, run, batch, kind, size, by }];
    }
    return [];
  }

  #provider(line: MonitorLine, p: string, what: string): Effect[] {
    const by = this.#by;
    const { command } = line;
    if (what.startsWith("letters:one:")) {
      const id = what.slice("letters:one:".length);
      if (command === "hset") {
        return [{ fx: "letter", p, id, set: pairsOf(line.args().slice(1).map(utf8)), by }];
      }
      if (command === "del" || command === "unlink") return [{ fx: "letter-gone", p, id, by }];
      return [];
    }
    // A bucket of the index.
    if (/^i:\d+$/.test(what)) {
      if (command === "hset") {
        const set = Object.entries(pairsOf(line.args().slice(1)));
        return [{ fx: "versions", p, versions: set.map(([id, e]) => versionOf(utf8(id), e)), by }];
      }
      if (command === "hdel") return [{ fx: "removed", p, ids: line.args().slice(1).map(utf8), by }];
      return [];
    }
    switch (what) {
      case "tombstones": {
        if (command !== "hset") return [];
        const set = Object.entries(pairsOf(line.args().slice(1).map(utf8)));
        const at = set.map(([id, json]) => [id, (JSON.parse(json) as { at: number }).at] as const);
        return [{ fx: "tombstones", p, at: Object.fromEntries(at) }];
      }
      case "changes": {
        if (command !== "xadd") return [];
        const { id, fields } = this.#xadd(line);
        const [o = "", i = "", r = ""] = [fields.o, fields.i, fields.r];
        return [{ fx: "change", p, seq: Number(id.split("-")[0]), op: o, id: i, run: r, by }];
      }
      case "meta": {
        if (command === "hset") {
          const { changeSeq: _, ...set } = pairsOf(line.args().slice(1).map(utf8));
          return Object.keys(set).length === 0 ? [] : [{ fx: "meta", p, set, by }];
        }
        return [];
      }
      case "open-run": {
        if (command === "set") return [{ fx: "open", p, run: line.args(2)[1] ?? null, by }];
        if (command === "del" || command === "unlink") return [{ fx: "open", p, run: null, by }];
        return [];
      }
      case "machine":
        return command === "hset"
          ? [{ fx: "machine", machine: p, set: pairsOf(line.args().slice(1).map(utf8)) }]
          : [];
      case "transitions":
        return command === "xadd" ? [{ fx: "transition", machine: p, fields: this.#xadd(line).fields }] : [];
      case `${p}:failed`: {
        if (command === "zadd")
          return [
            {
              fx: "failed",
              p,
              ids: line
                .args()
                .slice(1)
                .filter((_, i) => i % 2),
              by,
            },
          ];
        if (command === "zrem") return [{ fx: "unfailed", p, ids: line.args().slice(1), command, by }];
        if (/^(zrem|zpop|del|unlink|rename|expire|pexpire)/.test(command)) {
          return [{ fx: "unfailed", p, ids: null, command, by }];
        }
        return [];
      }
      default:
        return [];
    }
  }
}

/**
 * All ten laws at once, over a fixed set of short hunts (test/chaos): real workers and a real Redis are
 * disturbed by a seed's plan, and what Redis did is verified law by law. `npm run chaos` hunts longer ones.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const script = fileURLToPath(new URL("../../scripts/chaos.mjs", import.meta.url));

/**
 * One hunt of each mode, chosen for what it does early: kills, sleeps past the lock and the lease, a Redis that is frozen or
 * replaced, a step of the clock, lines that swallow and refuse, a pause, faults of every kind.
 */
const hunts = [
  { seed: 3, minutes: 0.3, mode: "single" },
  { seed: 3, minutes: 0.3, mode: "failover" },
  { seed: 3, minutes: 0.3, mode: "cluster" },
];

test.each(hunts)(
  "no law is broken by the hunt of seed $seed, $mode",
  async ({ seed, minutes, mode }) => {
    const flags = ["--seed", `${seed}`, "--minutes", `${minutes}`, "--mode", mode];
    const child = spawn(process.execPath, [script, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let progress = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      progress += text;
    });
    const [code] = await once(child, "close");
    // A breach shows with the laws' verdicts and with the command that hunts it again.
    if (code !== 0) throw new Error(`${progress}\n${output}`);
    expect(output).toContain("no breach");
  },
  300_000,
);

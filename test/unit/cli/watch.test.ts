import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { watchScreen } from "../../../src/cli/output.ts";
import { statusLines } from "../../../src/cli/render/status.ts";
import { makeStyle, visibleLength, widthOf } from "../../../src/cli/render/text.ts";
import { UeeError } from "../../../src/core/errors.ts";
import { Paces } from "../../../src/engine/pace.ts";
import { until } from "../../support/until.ts";
import {
  closed,
  engineStatus,
  FakeTerminal,
  fakeCli,
  fakeEngine,
  machineStatus,
  now,
  progress,
  providerStatus,
} from "./support.ts";

const looks = { breakers: async () => [] };

describe("uee status --watch", () => {
  test("draws the tree in place until it is told to stop, then leaves the last view and exit 0", async () => {
    const cli = fakeCli(fakeEngine(looks));
    cli.stdout.isTTY = true;
    const ended = cli.run("status", "--watch");
    await until(() => cli.stdout.text.includes("Ctrl-C"));
    expect(cli.stdout.text.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
    cli.signals.emit("SIGINT");
    expect(await ended).toBe(0);
    const [, after] = cli.stdout.text.split("\u001b[?25h\u001b[?1049l");
    expect(after).toContain("UEE mirror");
    expect(cli.closedSessions).toBe(1);
  });

  test("keeps what it showed while Redis is away, and says so", async () => {
    let away = false;
    const cli = fakeCli(
      fakeEngine({
        ...looks,
        status: async () => {
          if (away) throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis is gone.");
          away = true;
          return engineStatus({ providers: [providerStatus("cve", { records: 7 })] });
        },
      }),
    );
    const ended = cli.run("status", "--watch");
    await until(() => cli.stdout.text.includes("As it was: Redis is gone."));
    expect(cli.stdout.text.match(/7 records/g)).toHaveLength(2);
    cli.lost.abort(new UeeError("SYS_REDIS_UNREACHABLE", "Redis stayed away."));
    expect(await ended).toBe(3);
  });

  test("fits 80 columns, with a bar, the rate over the last looks and the time left of every open run", async () => {
    let taken = 0;
    const long = { actor: "ann@a-machine-with-a-long-name", reason: "the quarterly check of everything" };
    const providers = ["cve", "attack"].map(
      (name) => (fetched: number) =>
        providerStatus(name, {
          machine: machineStatus("RUNNING"),
          verified: true,
          verifiedAt: "2026-03-15T10:00:00.000Z",
          watermark: "2026-03-15T09:00:00.000000",
          records: 361_789,
          openRun: progress(name, { ...long, fetched, expected: 361_789, durationMs: 600_000 }),
          lastRun: closed(name, { ...long, created: 361_789, updated: 12_345, removed: 7, requests: 181 }),
          jobs: { waiting: 2, active: 1, delayed: 0, failed: 3 },
        }),
    );
    const status = async () => {
      const ms = taken++ * 2_000;
      const at = new Date(now + ms).toISOString();
      return engineStatus({ at, providers: providers.map((of) => of(160_000 + ms * 3)) });
    };
    const terminal = new FakeTerminal();
    terminal.isTTY = true;
    const paces = new Paces();
    const drawn: string[] = [];
    for (let i = 0; i < 2; i++) {
      const found = await status();
      paces.look(
        found.providers.flatMap(({ openRun }) => openRun ?? []),
        Date.parse(found.at),
      );
      const lines = statusLines(
        { ...found, breakers: [] },
        { style: makeStyle(true), width: widthOf(terminal), paces },
      );
      for (const line of lines) expect(visibleLength(line)).toBeLessThanOrEqual(80);
      drawn.push(lines.map((line) => stripVTControlCharacters(line)).join("\n"));
    }
    // Over the whole run at the first look, since then over the looks.
    expect(drawn[0]).toContain("├─ █████░░░░░░░ 160,000 of 361,789 (44 %), 267/s, 13 min left\n");
    expect(drawn[1]).toContain("├─ ██████░░░░░░ 166,000 of 361,789 (45 %), 3,000/s, 65 s left\n");
    expect(drawn[1]).toContain("361,789 records, watermark 3 h ago\n");
  });

  test.each(["--json", "--check"])("does not go with %s", async (flag) => {
    expect(await fakeCli().run("status", "--watch", flag)).toBe(2);
  });
});

describe("a watched view", () => {
  test("that is longer than the terminal is cut and says how much is missing", async () => {
    const terminal = Object.assign(new FakeTerminal(), { rows: 5 });
    terminal.isTTY = true;
    const stop = new AbortController();
    const look = async () => {
      stop.abort();
      return `${Array.from({ length: 9 }, (_, i) => `line ${i}`).join("\n")}\n`;
    };
    await watchScreen({ terminal, everyMs: 1, signal: stop.signal, look });
    const [drawn] = terminal.text.split("\u001b[?25h");
    const lines = drawn!.split("\n").filter((line) => visibleLength(line) > 0);
    expect(lines.map((line) => stripVTControlCharacters(line))).toEqual([
      "line 0",
      "line 1",
      "line 2",
      "… 6 more lines",
    ]);
  });

  test("goes on below, view after view, where it is no terminal", async () => {
    const terminal = new FakeTerminal();
    const stop = new AbortController();
    let n = 0;
    const look = async () => {
      if (++n === 2) stop.abort();
      return `view ${n}\n`;
    };
    await watchScreen({ terminal, everyMs: 1, signal: stop.signal, look });
    expect(terminal.text).toBe("view 1\n\nview 2\n\n");
  });
});

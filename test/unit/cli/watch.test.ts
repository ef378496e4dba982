import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { watchScreen } from "../../../src/cli/output.ts";
import { visibleLength } from "../../../src/cli/render/text.ts";
import { UeeError } from "../../../src/core/errors.ts";
import { until } from "../../support/until.ts";
import { engineStatus, FakeTerminal, fakeCli, fakeEngine, providerStatus } from "./support.ts";

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

import { hostname } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import type { Engine, HistoryLine, PersonRequest } from "../../../src/engine/api.ts";
import type { PoolView } from "../../../src/permits/report.ts";
import { fakeCli, fakeEngine, machineStatus, now, paused } from "./support.ts";

const here = expect.stringMatching(new RegExp(`^[^@]+@${hostname()}$`));

/** What the machine store answers to what a state does not allow. */
const refusal = (provider: string) =>
  new UeeError("PROV_ILLEGAL_TRANSITION", `${provider} is RUNNING: 'resume' is possible in PAUSED.`, {
    data: { machine: "provider", provider, state: "RUNNING", event: "resume", allowed: ["PAUSED"] },
  });

describe("uee pause, resume and stop", () => {
  test.each(["pause", "resume", "stop"] as const)(
    "%s asks for every provider named, with who asks and why, on a store that is there",
    async (action) => {
      const asked: [string, PersonRequest | undefined][] = [];
      const cli = fakeCli(
        fakeEngine({
          [action]: async (provider: string, by?: PersonRequest) => {
            asked.push([provider, by]);
            return machineStatus("TERMINATED");
          },
        }),
      );
      expect(await cli.run(action, "cwe", "cve", "--reason", " moving house ")).toBe(0);
      expect(asked).toEqual([
        ["cve", { actor: here, reason: "moving house" }],
        ["cwe", { actor: here, reason: "moving house" }],
      ]);
      expect(cli.requests.map(({ redis }) => redis)).toEqual(["existing"]);
      expect(cli.closedSessions).toBe(1);
    },
  );

  test("shows the pause that stands, which may be an earlier one", async () => {
    const cli = fakeCli(fakeEngine({ pause: async () => paused }));
    expect(await cli.run("pause", "cve")).toBe(0);
    expect(cli.stdout.text).toBe(
      "cve: paused 10 min ago by ann@desk: NVD moves house\n" + "  nothing starts until `uee resume cve`\n",
    );
  });

  test("all means every provider", async () => {
    const asked: string[] = [];
    const pause: Engine["pause"] = async (provider) => {
      asked.push(provider);
      return paused;
    };
    expect(await fakeCli(fakeEngine({ pause })).run("pause", "all")).toBe(0);
    expect(asked).toEqual(["cve", "cwe", "capec", "attack"]);
  });

  const oneRefuses = fakeEngine({
    resume: async (provider) => {
      if (provider === "cve") throw refusal("cve");
      return machineStatus("ACQUIRING", { actor: "ann@desk" });
    },
    liveWorkers: async () => [
      {
        id: "w9",
        host: "h",
        pid: 1,
        startedAt: "",
        lastSeen: "",
        providers: ["cve", "cwe", "capec", "attack"],
        takesRuns: true,
      },
    ],
  });

  test("a refused one ends with 1 and the states that would allow it; the others are asked all the same", async () => {
    const cli = fakeCli(oneRefuses);
    expect(await cli.run("resume", "cve", "cwe")).toBe(1);
    expect(cli.stderr.text).toContain(
      "PROV_ILLEGAL_TRANSITION: cve is RUNNING: 'resume' is possible in PAUSED.",
    );
    expect(cli.stdout.text).toContain("cwe: ACQUIRING\n  the run continues from its checkpoint\n");
  });

  test("with --json the states are data", async () => {
    const cli = fakeCli(oneRefuses);
    expect(await cli.run("resume", "cve", "cwe", "--json")).toBe(1);
    expect(cli.json()).toEqual({
      providers: [
        {
          provider: "cve",
          machine: null,
          error: {
            code: "PROV_ILLEGAL_TRANSITION",
            message: "cve is RUNNING: 'resume' is possible in PAUSED.",
            remedy: expect.any(String),
            state: "RUNNING",
            allowed: ["PAUSED"],
          },
        },
        { provider: "cwe", machine: machineStatus("ACQUIRING", { actor: "ann@desk" }), error: null },
      ],
    });
  });

  test("resuming a run that no worker will take says so, once it is needed only", async () => {
    const resumedTo = async (state: string) => {
      const cli = fakeCli(fakeEngine({ resume: async () => machineStatus(state) }));
      expect(await cli.run("resume", "cve")).toBe(0);
      return cli.stderr.text;
    };
    expect(await resumedTo("ACQUIRING")).toContain(
      "no worker is live. Start one: uee worker, or uee run cve",
    );
    expect(await resumedTo("TERMINATED")).toBe("");
  });

  test("a Redis that is gone ends all with 3", async () => {
    const asked: string[] = [];
    const stop: Engine["stop"] = async (provider) => {
      asked.push(provider);
      throw new UeeError("SYS_REDIS_UNREACHABLE");
    };
    expect(await fakeCli(fakeEngine({ stop })).run("stop", "all")).toBe(3);
    expect(asked).toEqual(["cve"]);
  });
});

const pool: PoolView = {
  at: now,
  configured: 10,
  effective: 8,
  revoked: 2,
  allocated: 3,
  available: 5,
  askedBack: 1,
  waiting: 4,
  fence: 17,
  holdUntil: null,
  providers: [
    {
      provider: "cve",
      held: 3,
      askedBack: 1,
      waiting: 4,
      waitingMs: 1_200,
      permitTimeMs: 61_000,
    },
  ],
  holders: [
    {
      lease: "desk:7:cve:0",
      provider: "cve",
      askedBack: true,
      fence: 17,
      since: now - 5_000,
      expiresAt: now + 7_000,
      owner: "desk:7",
    },
  ],
  truncated: false,
};

const withPermits = (over: Partial<Engine["permits"]>): Engine =>
  fakeEngine({ permits: { ...fakeEngine().permits, ...over } });

describe("uee permits", () => {
  test("show: the pool, what each provider has and waits for, who holds what", async () => {
    const cli = fakeCli(withPermits({ show: async () => pool }));
    expect(await cli.run("permits", "show")).toBe(0);
    expect(cli.stdout.text.split("\n")).toEqual([
      "Permits  3 of 8 held, 5 free, 4 batches waiting",
      "2 of 10 revoked by the optimizer; `uee history` says why",
      "1 held permit asked back",
      "",
      "provider  held  asked back  waiting    for  permit time",
      "cve          3           1        4  1.2 s   1 min 01 s",
      "",
      "holder  provider  asked back  held for  lease ends in  lease",
      "desk:7  cve       yes            5.0 s          7.0 s  desk:7:cve:0",
      "",
    ]);
    expect(cli.requests[0]!.redis).toBe("existing");
    const json = fakeCli(withPermits({ show: async () => pool }));
    await json.run("permits", "show", "--json");
    expect(json.json()).toEqual(pool);
  });

  test("show: a pool that was never used has no size yet, and one after a restart says how long it holds back", async () => {
    const fresh = fakeCli(withPermits({ show: async () => ({ ...pool, configured: null }) }));
    expect(await fresh.run("permits", "show")).toBe(0);
    expect(fresh.stdout.text).toContain("The pool has not been used yet");
    const held = fakeCli(withPermits({ show: async () => ({ ...pool, holdUntil: now + 9_000 }) }));
    await held.run("permits", "show");
    expect(held.stdout.text).toContain("Redis restarted: nothing is granted for 9 s more");
  });

  const size = {
    configured: 4,
    effective: 4,
    effectiveBefore: 10,
    allocated: 6,
    askedBack: 2,
    changed: true,
  };

  test("resize: asks with author and reason, and says what is still held", async () => {
    const asked: unknown[] = [];
    const cli = fakeCli(
      withPermits({
        resize: async (...request) => {
          asked.push(request);
          return size;
        },
      }),
    );
    expect(await cli.run("permits", "resize", "4", "--reason", "shared Redis")).toBe(0);
    expect(asked).toEqual([[4, { actor: here, reason: "shared Redis" }]]);
    expect(cli.stdout.text).toContain("The pool now has 4 permits; 4 may be held (10 before), 6 are.");
    expect(cli.stdout.text).toContain("2 permits asked back");
  });

  test("resize: to what it is already changes nothing and says so", async () => {
    const same = { ...size, effectiveBefore: 4, askedBack: 0, changed: false };
    const cli = fakeCli(withPermits({ resize: async () => same }));
    expect(await cli.run("permits", "resize", "4")).toBe(0);
    expect(cli.stdout.text).toBe("The pool has 4 permits already.\n");
    const json = fakeCli(withPermits({ resize: async () => same }));
    await json.run("permits", "resize", "4", "--json");
    expect(json.json()).toEqual(same);
  });

  const finding = { kind: "count", subject: "used", stored: "5", right: "3" };
  const auditing = (drift: number) =>
    withPermits({
      audit: async ({ repair } = {}) => ({
        at: now,
        leases: 3,
        waiters: 4,
        drift,
        findings: drift > 0 ? [finding] : [],
        repaired: repair === true && drift > 0,
      }),
    });

  test("audit: findings end with 1 and say what mends them; mended ones and none with 0", async () => {
    const found = fakeCli(auditing(3));
    expect(await found.run("permits", "audit")).toBe(1);
    expect(found.stdout.text.split("\n").slice(0, 3)).toEqual([
      "finding  of    stored  right",
      "count    used  5       3",
      "and 2 more",
    ]);
    expect(found.stdout.text).toContain(
      "Drift: 3 findings; 3 leases and 4 waiters counted. `uee permits audit --repair` repairs them.",
    );
    const repaired = fakeCli(auditing(1));
    expect(await repaired.run("permits", "audit", "--repair")).toBe(0);
    expect(repaired.stdout.text).toContain("Repaired: 1 finding;");
    const clean = fakeCli(auditing(0));
    expect(await clean.run("permits", "audit")).toBe(0);
    expect(clean.stdout.text).toBe("No drift: 3 leases and 4 waiters counted.\n");
    const json = fakeCli(auditing(1));
    expect(await json.run("permits", "audit", "--json")).toBe(1);
    expect(json.json()).toMatchObject({ drift: 1, findings: [finding], repaired: false });
  });
});

describe("uee history", () => {
  const lines: HistoryLine[] = [
    {
      at: "2026-03-15T11:50:00.000Z",
      kind: "transition",
      provider: "cve",
      what: "RUNNING → PAUSED",
      trigger: "pause",
      actor: "ann@desk",
      actorKind: "person",
      reason: "NVD\nmoves house",
    },
    {
      at: "2026-03-15T11:40:00.000Z",
      kind: "quota",
      provider: null,
      what: "revoke 2",
      trigger: "optimizer",
      actor: "desk:7",
      actorKind: "engine",
      reason: "p99 41 ms",
    },
    {
      at: "2026-03-15T11:30:00.000Z",
      kind: "transition",
      provider: null,
      what: "BOOTSTRAPPING → ORCHESTRATING",
      trigger: "provider_started",
      actor: "desk:7",
      actorKind: "engine",
      reason: null,
    },
  ];

  test("lists whose, what, by whom and why, a line each", async () => {
    const asked: unknown[] = [];
    const engine = fakeEngine({
      history: async (wanted) => {
        asked.push(wanted);
        return lines;
      },
    });
    const cli = fakeCli(engine);
    expect(await cli.run("history")).toBe(0);
    const [, ...rows] = cli.stdout.text.trimEnd().split("\n");
    expect(rows.map((row) => row.split(/ {2,}/).slice(1))).toEqual([
      ["cve", "RUNNING → PAUSED", "pause", "ann@desk", "NVD moves house"],
      ["permits", "revoke 2", "optimizer", "desk:7", "p99 41 ms"],
      ["fleet", "BOOTSTRAPPING → ORCHESTRATING", "provider_started", "desk:7"],
    ]);
    const json = fakeCli(engine);
    await json.run("history", "cve", "--limit", "7", "--people", "--json");
    expect(json.json()).toEqual({ history: lines });
    expect(asked).toEqual([
      { limit: 50, people: false },
      { provider: "cve", limit: 7, people: true },
    ]);
  });

  test("of a provider that never moved says so", async () => {
    const cli = fakeCli(fakeEngine({ history: async () => [] }));
    expect(await cli.run("history", "cwe")).toBe(0);
    expect(cli.stdout.text).toBe("cwe has no history yet.\n");
  });
});

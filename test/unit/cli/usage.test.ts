import { describe, expect, test } from "@jest/globals";
import { UeeError } from "../../../src/core/errors.ts";
import { fakeCli, fakeEngine } from "./support.ts";

const usage = async (...argv: string[]) => {
  const cli = fakeCli();
  const code = await cli.run(...argv);
  return { code, said: cli.stderr.text, stdout: cli.stdout.text, opened: cli.requests.length };
};

describe("wrong usage ends with 2 and says what would be right", () => {
  test.each<[string, string[], RegExp]>([
    ["no command", [], /Usage: uee/],
    ["a misspelled command", ["statsu"], /Did you mean status\?/],
    ["a misspelled flag", ["run", "cve", "--ful"], /Did you mean --full\?/],
    ["a misspelled provider", ["run", "cvee"], /Did you mean cve\?.*Known: cve, cwe, capec, attack, all/],
    ["a provider of another name", ["export", "mitre"], /no provider 'mitre'.*Known: cve, cwe/],
    ["no provider", ["run"], /Missing required argument 'provider'/],
    ["too many arguments", ["get", "a", "b"], /Too many arguments/],
    [
      "a time-out that is no duration",
      ["run", "cve", "--timeout", "soon"],
      /--timeout is 'soon'; it takes a duration/,
    ],
    [
      "a limit that is no number",
      ["checkpoints", "cve", "--limit", "many"],
      /--limit is 'many'; it takes a whole number/,
    ],
    ["a limit of zero", ["checkpoints", "cve", "--limit", "0"], /whole number from 1/],
    ["an option without its value", ["run", "cve", "--timeout"], /argument missing/],
    ["a date that is none", ["export", "cve", "--since", "yesterday"], /VAL_DATE: 'yesterday' is not a date/],
    ["a group without subcommand", ["dlq"], /Usage: uee dlq/],
    ["a misspelled subcommand", ["dlq", "lst"], /Did you mean list\?/],
    ["no provider to pause", ["pause"], /Missing required argument 'provider'/],
    ["an empty reason", ["pause", "cve", "--reason", " "], /--reason takes 1 to 500 characters, not 0/],
    ["a reason too long", ["stop", "cve", "--reason", "x".repeat(501)], /not 501/],
    ["permits without subcommand", ["permits"], /Usage: uee permits/],
    ["a pool of none", ["permits", "resize", "0"], /The size is '0'; it takes a whole number from 1 to 4096/],
    ["a pool too large", ["permits", "resize", "4097"], /whole number from 1 to 4096/],
    ["all, where one is meant", ["export", "all"], /takes one provider at a time: cve, cwe, capec, attack/],
    ["a history of an unknown provider", ["history", "nvd"], /no provider 'nvd'/],
    ["a number of workers that is none", ["up", "--workers", "x"], /--workers is 'x'/],
  ])("%s", async (_what, argv, message) => {
    const { code, said, stdout, opened } = await usage(...argv);
    expect(said).toMatch(message);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(opened).toBe(0);
  });

  test("with --json the error is the one document on stdout", async () => {
    const { code, stdout } = await usage("run", "nvd", "--json");
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: "PROV_UNKNOWN",
        message: expect.stringContaining("'nvd'"),
        remedy: expect.any(String),
        retryable: false,
      },
    });
    const flag = await usage("status", "--json", "--wrong");
    expect(JSON.parse(flag.stdout).error.code).toBe("SYS_USAGE");
  });
});

describe("help", () => {
  test("goes to stdout, with examples, and ends with 0", async () => {
    for (const command of [
      "run",
      "status",
      "history",
      "pause",
      "resume",
      "stop",
      "checkpoints",
      "get",
      "export",
      "changes",
      "errors",
      "up",
      "worker",
    ]) {
      const { code, stdout, said } = await usage(command, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain("Examples:");
      expect(stdout).toContain(`$ `);
      expect(said).toBe("");
    }
  });

  test("of permits has examples for each subcommand", async () => {
    for (const subcommand of ["show", "resize", "audit"]) {
      const { code, stdout } = await usage("permits", subcommand, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`$ uee permits ${subcommand}`);
    }
  });

  test("of the program groups what governs the fleet", async () => {
    const { stdout } = await usage("--help");
    const govern = /Govern:\n(.*?)\n\n/s.exec(stdout)?.[1] ?? "";
    const names = [...govern.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
    expect(names).toEqual(["pause", "resume", "stop", "permits", "breakers", "schedules"]);
  });

  test("the version is the package's", async () => {
    const { code, stdout } = await usage("--version");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("what goes wrong below", () => {
  test("is shown as code, message and remedy, and decides the exit code", async () => {
    const cli = fakeCli(fakeEngine(), {
      open: async () => {
        throw new UeeError("SYS_REDIS_UNREACHABLE", "Redis cannot be reached: redis://localhost:1.");
      },
    });
    expect(await cli.run("status")).toBe(3);
    expect(cli.stderr.text).toBe(
      "SYS_REDIS_UNREACHABLE: Redis cannot be reached: redis://localhost:1.\n" +
        "Check REDIS_URL, the network and that the server runs.\n",
    );
  });
});

describe("the errors command", () => {
  test("explains a code, in any case of letters", async () => {
    const { code, stdout } = await usage("errors", "prov_shrunk");
    expect(code).toBe(0);
    expect(stdout).toContain("--allow-shrink");
  });

  test("an unknown code ends with 1 and a suggestion", async () => {
    const { code, said } = await usage("errors", "PROV_SHRUNKEN");
    expect(code).toBe(1);
    expect(said).toContain("Did you mean PROV_SHRUNK?");
  });

  test("a part of codes ends with 1 and names those that have it", async () => {
    const { code, said } = await usage("errors", "redis_auth");
    expect(code).toBe(1);
    expect(said).toContain("Near it: SYS_REDIS_AUTH.");
  });

  test("lists all as one JSON document, with class and whether the same may go well later", async () => {
    const { stdout } = await usage("errors", "--json");
    const { errors } = JSON.parse(stdout);
    expect(errors.length).toBeGreaterThan(40);
    expect(errors).toContainEqual(
      expect.objectContaining({ code: "PROV_THROTTLED", class: "throttle", retryable: true }),
    );
    expect(errors).toContainEqual(
      expect.objectContaining({ code: "PROV_BAD_KEY", class: "configuration", retryable: false }),
    );
  });
});

test("every setting is a flag, the rarer ones too, and reaches the configuration", async () => {
  const cli = fakeCli();
  expect(
    await cli.run("status", "--json", "--changes-limit", "5000", "--prefix", "other", "--cve-rate", "5/30s"),
  ).toBe(0);
  expect(cli.requests[0]!.flags).toMatchObject({ changesLimit: "5000", prefix: "other", cveRate: "5/30s" });
  expect(await fakeCli().run("status", "--changes-limt", "5000")).toBe(2);
});

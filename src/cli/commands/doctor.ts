import type { Command } from "commander";
import { isUeeError, toUeeError } from "../../core/errors.ts";
import type { CliContext, Finish } from "../context.ts";
import { type Finding, problem } from "../doctor/finding.ts";
import { EXIT, exitOfError } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { plural } from "../render/numbers.ts";
import { type Style, styleFor } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface DoctorFlags extends GlobalFlags {
  json?: boolean;
}

export function defineDoctor(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("doctor")
    .summary("check Redis, memory and upstreams; exit 1 on findings")
    .description(
      "Checks Redis (reachable, version, policy, persistence), whether a full load fits into its memory, and every " +
        "upstream, telling DNS, proxy, TLS and key apart. Its requests, one an upstream, count in the fleet's limits.",
    )
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExamples:\n  $ uee doctor\n  $ HTTPS_PROXY=http://proxy:3128 uee doctor --json")
    .action(async (_options: unknown, command: Command) => {
      finish(await doctor(context, command.optsWithGlobals<DoctorFlags>()));
    });
}

async function doctor(context: CliContext, flags: DoctorFlags): Promise<number> {
  const style = styleFor(context.stdout, context.env);
  const findings: Finding[] = [];
  const found = (finding: Finding) => {
    findings.push(finding);
    if (!flags.json) context.stdout.write(`${findingLines(finding, style)}\n`);
  };
  let unreachable = false;
  try {
    // Doctor sends requests, which must count in the same rate limit as those of later runs: it is no plain reader.
    await withSession(context, { redis: "managed", flags, anyRedis: true }, async (session) => {
      const { examine } = await import("../doctor/examine.ts");
      for await (const finding of examine(session, context.env)) found(finding);
    });
  } catch (error) {
    if (isUeeError(error, "SYS_CONFIG_INVALID")) throw error;
    unreachable = exitOfError(error) === EXIT.redisUnreachable;
    const { code, detail, remedy } = toUeeError(error);
    found(problem("redis", `${code}: ${detail}`, remedy));
  }
  const problems = findings.filter(({ verdict }) => verdict === "problem").length;
  if (flags.json) printJson(context, { ok: problems === 0, findings });
  else {
    const verdict =
      problems === 0 ? style.green("No problems found.") : style.red(`${plural(problems, "finding")}.`);
    context.stdout.write(`${verdict}\n`);
  }
  if (unreachable) return EXIT.redisUnreachable;
  return problems === 0 ? EXIT.done : EXIT.failed;
}

const marks: Record<Finding["verdict"], (style: Style) => string> = {
  ok: (style) => style.green("ok  "),
  note: (style) => style.yellow("note"),
  problem: (style) => style.red("FAIL"),
};

function findingLines({ check, verdict, message, remedy }: Finding, style: Style): string {
  const first = `${marks[verdict](style)}  ${style.bold(check.padEnd(16))}  ${message}`;
  return remedy === "" ? first : `${first}\n${" ".repeat(24)}${style.dim(remedy)}`;
}

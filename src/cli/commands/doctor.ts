import { isUeeError, toUeeError } from "../../core/errors.ts";
import { command, jsonOption, withSession } from "../command.ts";
import { type Finding, problem } from "../doctor/checks.ts";
import { EXIT, exitOfError } from "../exits.ts";
import { printJson } from "../output.ts";
import { plural, styleFor } from "../render/text.ts";

export const doctor = command({
  name: "doctor",
  summary: "check Redis, memory and upstreams; exit 1 on findings",
  description:
    "Checks Redis (reachable, version, policy, persistence), whether a full load fits into its memory, and every " +
    "upstream, telling DNS, proxy, TLS and key apart. Its requests, one an upstream, count in the fleet's limits.",
  options: jsonOption,
  examples: ["uee doctor", "HTTPS_PROXY=http://proxy:3128 uee doctor --json"],
  async run(context, flags) {
    const style = styleFor(context.stdout, context.env);
    const marks = { ok: style.green("ok  "), note: style.yellow("note"), problem: style.red("FAIL") };
    const findings: Finding[] = [];
    const found = (finding: Finding) => {
      findings.push(finding);
      if (flags.json) return;
      const { check, verdict, message, remedy } = finding;
      const what = remedy === "" ? "" : `\n${" ".repeat(24)}${style.dim(remedy)}`;
      context.stdout.write(`${marks[verdict]}  ${style.bold(check.padEnd(16))}  ${message}${what}\n`);
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
    const verdict =
      problems === 0 ? style.green("No problems found.") : style.red(`${plural(problems, "finding")}.`);
    if (flags.json) printJson(context, { ok: problems === 0, findings });
    else context.stdout.write(`${verdict}\n`);
    if (unreachable) return EXIT.redisUnreachable;
    return problems === 0 ? EXIT.done : EXIT.failed;
  },
});

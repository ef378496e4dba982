import type { Command } from "commander";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";
import { renderSchedules } from "../render/schedules.ts";
import { styleFor, widthOf } from "../render/style.ts";
import type { GlobalFlags } from "../sessionTypes.ts";
import { withSession } from "../withSession.ts";

interface SchedulesFlags extends GlobalFlags {
  json?: boolean;
}

export function defineSchedules(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("schedules")
    .summary("show when runs open on schedule, and when they last did")
    .description(
      "Shows every schedule: its interval or cron expression, its next slot on this machine's clock, and the result of " +
        "the last one. Workers execute them (`uee worker`, `uee up`); UEE_CVE_SCHEDULE, UEE_CVE_FULL_SCHEDULE and so on " +
        "configure them, UEE_SCHEDULES=off disables all of them (docs/schedules.md).",
    )
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ uee schedules
  $ UEE_CVE_SCHEDULE=1h UEE_CVE_FULL_SCHEDULE="0 3 * * 0" uee worker
  $ uee schedules --json | jq '.schedules[] | select(.enabled) | {provider, mode, next}'`,
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await schedules(context, command.optsWithGlobals<SchedulesFlags>()));
    });
}

async function schedules(context: CliContext, flags: SchedulesFlags): Promise<number> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const views = await engine.schedules();
    if (flags.json) printJson(context, { schedules: views });
    else {
      const look = {
        style: styleFor(context.stdout, context.env),
        now: context.now(),
        width: widthOf(context.stdout),
      };
      context.stdout.write(renderSchedules(views, look));
    }
    return EXIT.done;
  });
}

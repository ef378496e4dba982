import type { Command } from "commander";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";
import type { GlobalFlags } from "../sessionTypes.ts";

interface ConfigFlags extends GlobalFlags {
  json?: boolean;
}

export function defineConfig(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("config")
    .summary("show the effective configuration and where each value comes from")
    .description(
      "Shows the effective value of every setting, and whether it comes from a flag, the environment, the file or the " +
        "default. Secrets are not shown.",
    )
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      "\nExamples:\n  $ uee config\n  $ uee config --config production.json --json | jq '.config.redisUrl'",
    )
    .action(async (_options: unknown, command: Command) => {
      finish(await showConfig(context, command.optsWithGlobals<ConfigFlags>()));
    });
}

async function showConfig(context: CliContext, flags: ConfigFlags): Promise<number> {
  const { loadConfig, redactedView } = await import("../../config/index.ts");
  const loaded = loadConfig({ argvFlags: { ...flags }, env: context.env });
  const rows = redactedView(loaded, context.env);
  if (flags.json) {
    const config = Object.fromEntries(
      rows.map(({ key, env, value, origin }) => [key, { value, env, origin }]),
    );
    printJson(context, { config, file: loaded.file ?? null, warnings: loaded.warnings });
    return EXIT.done;
  }
  const style = styleFor(context.stdout, context.env);
  const lines = renderTable(
    rows,
    [
      { title: "setting", value: (row) => row.key, paint: (text) => style.bold(text) },
      { title: "value", value: (row) => (row.value === null ? "-" : String(row.value)), shrinkTo: 16 },
      {
        title: "origin",
        value: ({ origin }) => (origin.source === "default" ? "default" : `${origin.source} ${origin.name}`),
        paint: (text, { origin }) => (origin.source === "default" ? style.dim(text) : style.cyan(text)),
        shrinkTo: 10,
      },
      { title: "variable", value: (row) => row.env, dropFirst: 1, paint: (text) => style.dim(text) },
    ],
    { width: widthOf(context.stdout), header: style.dim },
  );
  context.stdout.write(`${lines.join("\n")}\n`);
  const warn = styleFor(context.stderr, context.env);
  for (const warning of loaded.warnings) context.stderr.write(`${warn.yellow("Note:")} ${warning}\n`);
  return EXIT.done;
}

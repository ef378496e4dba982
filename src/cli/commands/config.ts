import { command, jsonOption, lookOf } from "../command.ts";
import { printJson } from "../output.ts";
import { renderTable } from "../render/table.ts";
import { styleFor } from "../render/text.ts";

export const config = command({
  name: "config",
  summary: "show the effective configuration and where each value comes from",
  description:
    "Shows the effective value of every setting, and whether it comes from a flag, the environment, the file or the " +
    "default. Secrets are not shown.",
  options: jsonOption,
  examples: ["uee config", "uee config --config production.json --json | jq '.config.redisUrl'"],
  async run(context, flags) {
    const { loadConfig, redactedView } = await import("../../config/index.ts");
    const loaded = loadConfig({ argvFlags: { ...flags }, env: context.env });
    const rows = redactedView(loaded, context.env);
    if (flags.json) {
      const values = rows.map(({ key, env, value, origin }) => [key, { value, env, origin }]);
      const { file = null, warnings } = loaded;
      return printJson(context, { config: Object.fromEntries(values), file, warnings });
    }
    const look = lookOf(context);
    const { style } = look;
    const lines = renderTable(
      rows,
      [
        { title: "setting", value: ({ key }) => key, paint: style.bold },
        { title: "value", value: ({ text }) => text ?? "-", shrinkTo: 16 },
        {
          title: "origin",
          value: ({ origin }) =>
            origin.source === "default" ? "default" : `${origin.source} ${origin.name}`,
          paint: (text, { origin }) => (origin.source === "default" ? style.dim(text) : style.cyan(text)),
          shrinkTo: 10,
        },
        { title: "variable", value: ({ env }) => env, dropFirst: 1, paint: style.dim },
      ],
      look,
    );
    context.stdout.write(`${lines.join("\n")}\n`);
    const warn = styleFor(context.stderr, context.env);
    for (const warning of loaded.warnings) context.stderr.write(`${warn.yellow("Note:")} ${warning}\n`);
  },
});

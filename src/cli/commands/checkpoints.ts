import type { Checkpoint, Engine } from "../../engine/api.ts";
import { parseLimit, parseProvider } from "../arguments.ts";
import { answer, command, jsonOption, limitOption } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { formatCount, formatHappened } from "../render/text.ts";

export const checkpoints = command({
  name: "checkpoints",
  summary: "list a provider's checkpoints, newest first",
  description: "Lists the committed batches, newest first: each checkpoint is a URN.",
  arguments: { "<provider>": "<providers>" },
  options: { ...limitOption(20), "--failed": "only batches that failed", ...jsonOption },
  examples: ["uee checkpoints cve", "uee checkpoints cve --failed --limit 100 --json"],
  async run(context, flags, [word]) {
    const provider = await parseProvider(context, word!);
    const wanted = { limit: parseLimit(flags.limit, 20, 100_000), failed: flags.failed === true };
    const ask = async (engine: Engine) => ({ checkpoints: await engine.checkpoints(provider, wanted) });
    await answer(context, flags, ask, ({ checkpoints: found }, look) => {
      const { style, now } = look;
      if (found.length === 0) return [`${provider} has no ${flags.failed ? "failed " : ""}checkpoints.`];
      return renderTable<Checkpoint>(
        found,
        [
          { title: "at", value: ({ at }) => formatHappened(at, now), paint: style.dim, dropFirst: 2 },
          {
            title: "result",
            value: ({ success }) => (success ? "ok" : "failed"),
            paint: (text, { success }) => (success ? style.green(text) : style.red(text)),
          },
          { title: "URN", value: ({ urn }) => urn, shrinkTo: 24 },
          { title: "records", align: "right", value: ({ records }) => formatCount(records) },
          { title: "pass", align: "right", value: ({ pass }) => String(pass), dropFirst: 4 },
          { title: "batch", value: ({ batch }) => batch, shrinkTo: 12, dropFirst: 3 },
          { title: "run", value: ({ runId }) => runId, shrinkTo: 8, dropFirst: 5 },
          ...(found.some(({ error }) => error !== null)
            ? [{ title: "error", value: ({ error }: Checkpoint) => error ?? "", shrinkTo: 16 }]
            : []),
        ],
        look,
      );
    });
  },
});

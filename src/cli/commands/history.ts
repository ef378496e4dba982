import type { Engine, HistoryLine } from "../../engine/api.ts";
import { maybeProvider, parseLimit } from "../arguments.ts";
import { answer, command, jsonOption, limitOption } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { formatHappened } from "../render/text.ts";

export const history = command({
  name: "history",
  summary: "list transitions and decisions, newest first",
  description:
    "Lists the transitions of a provider and of its upstream's circuit breakers and what was done with its dead letters, " +
    "with actor and reason; without a provider those of all providers, of the fleet, and the decisions about permits. Newest first.",
  arguments: { "[provider]": "<providers>; default: everything" },
  options: { "--people": "only what people did", ...limitOption(50), ...jsonOption },
  examples: [
    "uee history",
    "uee history cve --limit 10",
    "uee history --people",
    "uee history --json | jq '.history[] | select(.kind == \"quota\")'",
  ],
  async run(context, flags, [word]) {
    const provider = await maybeProvider(context, word);
    const limit = parseLimit(flags.limit, 50, 100_000);
    const ask = async (engine: Engine) => ({
      history: await engine.history({ limit, provider, people: flags.people === true }),
    });
    await answer(context, flags, ask, ({ history: found }, look) => {
      const { style, now } = look;
      if (found.length === 0) return [`${provider ?? "The fleet"} has no history yet.`];
      return renderTable<HistoryLine>(
        found,
        [
          { title: "at", value: ({ at }) => formatHappened(at, now), paint: style.dim, dropFirst: 1 },
          { title: "of", value: subject, paint: style.bold },
          { title: "what", value: ({ what }) => what },
          { title: "trigger", value: ({ trigger }) => trigger, dropFirst: 3 },
          { title: "by", value: ({ actor }) => actor, shrinkTo: 8, dropFirst: 2 },
          { title: "reason", value: ({ reason }) => reason ?? "", shrinkTo: 16 },
        ],
        look,
      );
    });
  },
});

const subject = ({ provider, kind }: HistoryLine): string =>
  provider ?? (kind === "quota" ? "permits" : "fleet");

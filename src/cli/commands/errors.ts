import type { Command } from "commander";
import { didYouMean } from "../../config/suggest.ts";
import { type ErrorEntry, errorCatalog } from "../../core/errorCatalog.ts";
import { UeeError } from "../../core/errors.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";

const catalog: Record<string, ErrorEntry> = errorCatalog;

const classMeaning: Record<ErrorEntry["class"], string> = {
  throttle: "the batch waits as told; no attempt is spent",
  overload: "the batch waits; no attempt is spent",
  deferred: "the batch comes back by itself; no attempt is spent",
  transient: "tried again; one attempt is spent",
  corrupt: "fetched again; one attempt is spent",
  configuration: "somebody must change a setting; a run fails at once",
  permanent: "will never work as it is; it goes to the dead letters",
  refused: "nothing happens",
};

export function defineErrors(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("errors")
    .summary("explain an error code, or list them all")
    .description(
      "Explains an error code: what happened, what UEE does about it, what you can do. Without one: all.",
    )
    .argument("[code]", "e.g. PROV_THROTTLED")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExamples:\n  $ uee errors PROV_SHRUNK\n  $ uee errors --json")
    .action((code: string | undefined, options: { json?: boolean }) => {
      finish(code === undefined ? listAll(context, options.json) : explain(context, code, options.json));
    });
}

function explain(context: CliContext, text: string, json = false): number {
  const code = text.toUpperCase();
  const entry = catalog[code];
  if (!entry) {
    const near = didYouMean(code, Object.keys(catalog)) || " `uee errors` lists them.";
    throw new UeeError("API_NOT_FOUND", `There is no error code '${text}'.${near}`);
  }
  if (json) printJson(context, { code, ...entry });
  else {
    const style = styleFor(context.stdout, context.env);
    context.stdout.write(
      `${style.bold(code)}  ${entry.message}\n  class   ${entry.class}: ${classMeaning[entry.class]}\n  remedy  ${entry.remedy}\n`,
    );
  }
  return EXIT.done;
}

function listAll(context: CliContext, json = false): number {
  const rows = Object.entries(catalog).map(([code, entry]) => ({ code, ...entry }));
  if (json) printJson(context, { errors: rows });
  else {
    const style = styleFor(context.stdout, context.env);
    const lines = renderTable(
      rows,
      [
        { title: "code", value: (row) => row.code, paint: (text) => style.bold(text) },
        { title: "class", value: (row) => row.class, dropFirst: 1 },
        { title: "message", value: (row) => row.message, shrinkTo: 20 },
      ],
      { width: widthOf(context.stdout), header: style.dim },
    );
    context.stdout.write(`${lines.join("\n")}\n`);
  }
  return EXIT.done;
}

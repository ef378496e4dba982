import type { Command } from "commander";
import { type ErrorEntry, errorCatalog, errorClasses, retryable } from "../../core/errorCatalog.ts";
import { UeeError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { CliContext, Finish } from "../context.ts";
import { EXIT } from "../exitCodes.ts";
import { printJson } from "../failures.ts";

import { styleFor, widthOf } from "../render/style.ts";
import { renderTable } from "../render/table.ts";

const catalog: Record<string, ErrorEntry> = errorCatalog;

export function defineErrors(program: Command, context: CliContext, finish: Finish): void {
  program
    .command("errors")
    .summary("explain an error code, or list them all")
    .description(
      "Explains an error code: what happened, what UEE does and what you can do. Default: all codes.",
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
    throw new UeeError("API_NOT_FOUND", `There is no error code '${text}'.${nearTo(code)}`);
  }
  if (json) printJson(context, { code, ...entry, retryable: retryable(entry.class) });
  else {
    const style = styleFor(context.stdout, context.env);
    context.stdout.write(
      `${style.bold(code)}  ${entry.message}\n  class      ${entry.class}: ${errorClasses[entry.class]}\n  retryable  ${retryable(entry.class) ? "yes: a later attempt may succeed" : "no: an operator must act first"}\n  remedy     ${entry.remedy}\n`,
    );
  }
  return EXIT.done;
}

/** Codes that contain the text, or the one that was probably meant. */
function nearTo(text: string): string {
  const codes = Object.keys(catalog);
  const parts = text.split(/[^A-Z0-9]+/).filter((part) => part.length > 2);
  const within = codes.filter((code) => parts.length > 0 && parts.every((part) => code.includes(part)));
  if (within.length > 0) return ` Near it: ${within.slice(0, 8).join(", ")}.`;
  return didYouMean(text, codes) || " `uee errors` lists them.";
}

function listAll(context: CliContext, json = false): number {
  const rows = Object.entries(catalog).map(([code, entry]) => ({
    code,
    ...entry,
    retryable: retryable(entry.class),
  }));
  if (json) printJson(context, { errors: rows });
  else {
    const style = styleFor(context.stdout, context.env);
    const lines = renderTable(
      rows,
      [
        { title: "code", value: (row) => row.code, paint: (text) => style.bold(text) },
        { title: "class", value: (row) => row.class, dropFirst: 1 },
        { title: "retryable", value: (row) => (row.retryable ? "yes" : "no"), dropFirst: 2 },
        { title: "message", value: (row) => row.message, shrinkTo: 20 },
      ],
      { width: widthOf(context.stdout), header: style.dim },
    );
    context.stdout.write(`${lines.join("\n")}\n`);
  }
  return EXIT.done;
}

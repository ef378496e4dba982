import { type ErrorEntry, errorCatalog, errorClasses, retryable } from "../../core/errorCatalog.ts";
import { UeeError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import { command, jsonOption, lookOf } from "../command.ts";
import { printJson } from "../output.ts";
import { renderTable } from "../render/table.ts";

const catalog = Object.fromEntries(
  Object.entries<ErrorEntry>(errorCatalog).map(([code, entry]) => [
    code,
    { code, ...entry, retryable: retryable(entry.class) },
  ]),
);

export const errors = command({
  name: "errors",
  summary: "explain an error code, or list them all",
  description:
    "Explains an error code: what happened, what UEE does and what you can do. Default: all codes.",
  arguments: { "[code]": "e.g. PROV_THROTTLED" },
  options: jsonOption,
  examples: ["uee errors PROV_SHRUNK", "uee errors --json"],
  run(context, flags, [word]) {
    const rows = Object.values(catalog);
    const one = word === undefined ? undefined : entryOf(word);
    if (flags.json) return printJson(context, one ?? { errors: rows });
    const look = lookOf(context);
    const lines = one
      ? [
          `${look.style.bold(one.code)}  ${one.message}`,
          `  class      ${one.class}: ${errorClasses[one.class]}`,
          `  retryable  ${one.retryable ? "yes: a later attempt may succeed" : "no: an operator must act first"}`,
          `  remedy     ${one.remedy}`,
        ]
      : renderTable(
          rows,
          [
            { title: "code", value: (row) => row.code, paint: look.style.bold },
            { title: "class", value: (row) => row.class, dropFirst: 1 },
            { title: "retryable", value: (row) => (row.retryable ? "yes" : "no"), dropFirst: 2 },
            { title: "message", value: (row) => row.message, shrinkTo: 20 },
          ],
          look,
        );
    context.stdout.write(`${lines.join("\n")}\n`);
  },
});

function entryOf(word: string) {
  const entry = catalog[word.toUpperCase()];
  if (entry !== undefined) return entry;
  throw new UeeError("API_NOT_FOUND", `There is no error code '${word}'.${nearTo(word.toUpperCase())}`);
}

/** Codes that contain the text, or the one that was probably meant. */
function nearTo(text: string): string {
  const codes = Object.keys(catalog);
  const parts = text.split(/[^A-Z0-9]+/).filter((part) => part.length > 2);
  const within = codes.filter((code) => parts.length > 0 && parts.every((part) => code.includes(part)));
  if (within.length > 0) return ` Near it: ${within.slice(0, 8).join(", ")}.`;
  return didYouMean(text, codes) || " `uee errors` lists them.";
}

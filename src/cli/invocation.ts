import { join } from "node:path";
import type { CliContext } from "./context.ts";

/** How the reader can type our name: `./bin/uee` in a checkout, `uee` when installed. */
export const invocation = ({ script }: Pick<CliContext, "script">, cwd = process.cwd()): string =>
  script === join(cwd, "bin", "uee") ? "./bin/uee" : "uee";

import { join } from "node:path";
import type { CliContext } from "./context.ts";

/** The command as the user types it: `./bin/uee` in a checkout, `uee` when installed. */
export const invocation = ({ script }: Pick<CliContext, "script">, cwd = process.cwd()): string =>
  script === join(cwd, "bin", "uee") ? "./bin/uee" : "uee";

import { describe } from "@jest/globals";
import { hasFakeClock } from "./fakeClock.ts";

/** `describe` where libfaketime is installed; elsewhere the tests are skipped, and say so. */
export const describeWithFakeClock: typeof describe.skip = hasFakeClock
  ? describe
  : Object.assign(
      ((name: string, tests: () => void) => {
        process.stderr.write(`skipped, libfaketime is not installed: ${String(name)}\n`);
        describe.skip(name, tests);
      }) as typeof describe.skip,
      { each: describe.skip.each },
    );

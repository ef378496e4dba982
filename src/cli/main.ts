/** The process behind `uee`: real streams, real signals, one exit. */
import { answerPings } from "../workers/supervision/answer.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./exitCodes.ts";
import { printFailure } from "./failures.ts";
import { watchSignals } from "./interrupts.ts";
import { runCli } from "./program.ts";

const context: CliContext = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  script: process.argv[1] ?? "",
  now: Date.now,
  providerNames: async () => (await import("../providers/registry.ts")).providers.map(({ name }) => name),
  interrupts: () => watchSignals(process, (code) => leave(code)),
  supervised: process.channel ? (report) => answerPings(process, report) : undefined,
  open: async (request) => (await import("./session.ts")).openSession(request, context),
};

/**
 * What happens to output that cannot be written. A reader that went away (`| head`, a closed terminal) is no failure; any
 * other one of stdout (a full disk) ends the command with its code, since its result is lost. Without stderr the work goes
 * on: only words about it are lost, and a run must not depend on a log.
 */
function watchOutput(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || (error.code === "EIO" && process.stdout.isTTY)) return;
    printFailure(context, error, { json: false });
    leave(EXIT.failed);
  });
}

function leave(code: number): never {
  // Bars hide the cursor; whoever leaves in their midst must give it back.
  if (process.stderr.isTTY) process.stderr.write("\u001b[?25h\u001b[?7h");
  process.exit(code);
}

// A child of `uee up` must not outlive it: its channel closes however the parent ends. A service that watches signals
// stops in order (interrupts.ts); anything else ends.
if (process.channel) {
  process.once("disconnect", () => {
    if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM");
  });
  process.channel.unref();
}
watchOutput();
const code = await runCli(process.argv.slice(2), context);
await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
// A write that failed is told one turn later.
await new Promise<void>((resolve) => setImmediate(resolve));
process.exit(code);

/** The process behind `uee`: real streams, real signals, one exit. */
import { answerPings } from "../workers/supervision/channel.ts";
import type { CliContext } from "./context.ts";
import { EXIT, watchSignals } from "./exits.ts";
import { printFailure } from "./output.ts";
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
 * Handles output that cannot be written. A closed reader (`| head`, a closed terminal) is no failure. Any other
 * failure of stdout (a full disk) ends the command with its code, since its result is lost. Without stderr the work
 * continues: only messages are lost, and a run must not depend on a log.
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
  // Progress bars hide the cursor; an early exit must show it again.
  if (process.stderr.isTTY) process.stderr.write("\u001b[?25h\u001b[?7h");
  process.exit(code);
}

// A child of `uee up` must not outlive it: its channel closes however the parent ends. A service that handles signals
// stops in order (exits.ts); any other command exits.
if (process.channel) {
  process.once("disconnect", () => {
    if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM");
  });
  process.channel.unref();
}
watchOutput();
const code = await runCli(process.argv.slice(2), context);
await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
// A failed write is reported one turn later.
await new Promise<void>((resolve) => setImmediate(resolve));
process.exit(code);

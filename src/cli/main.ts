/** The process behind `uee`: real streams, real signals, one exit. */
import { answerPings } from "../workers/supervision/answer.ts";
import type { CliContext, Terminal } from "./context.ts";
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

/** A reader that went away (`| head`, a closed terminal) is no failure of ours. */
function ignoreGoneReaders(stream: Terminal): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
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
ignoreGoneReaders(process.stdout);
ignoreGoneReaders(process.stderr);
const code = await runCli(process.argv.slice(2), context);
await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
process.exit(code);

// For `node --import`: makes worker processes of `uee` misbehave. UEE_TEST_CRASH=<code>: they exit with it at once. SIGUSR2:
// their event loop hangs for ever.
if (process.argv[2] === "worker") {
  if (process.env.UEE_TEST_CRASH) process.exit(Number(process.env.UEE_TEST_CRASH));
  process.on("SIGUSR2", () => {
    for (;;);
  });
}

/**
 * An isolated environment for the demo: it uses none of the caller's settings, store or network, and leaves nothing
 * behind.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Surroundings {
  env: NodeJS.ProcessEnv;
  remove(): Promise<void>;
}

export async function makeSurroundings(
  caller: NodeJS.ProcessEnv,
  upstreams: Record<string, string>,
): Promise<Surroundings> {
  const directory = await mkdtemp(join(tmpdir(), "uee-demo-"));
  // An empty file, so that the configuration of the working directory is not read.
  const file = join(directory, "config.json");
  await writeFile(file, "{}");
  const env = Object.fromEntries(
    Object.entries(caller).filter(
      ([name]) =>
        !name.startsWith("UEE_") && name !== "REDIS_URL" && name !== "REDIS_TLS_CA" && name !== "NVD_API_KEY",
    ),
  );
  return {
    env: {
      ...env,
      ...upstreams,
      UEE_CONFIG: file,
      UEE_DATA_DIR: join(directory, "data"),
      // The upstreams fail on purpose here; production waits would only delay the demo.
      UEE_WAIT_SCALE: "0.02",
      // These failures are summarised in one line at the end.
      UEE_LOG_LEVEL: caller.UEE_LOG_LEVEL ?? "error",
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}

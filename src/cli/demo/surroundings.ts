/** A world of its own for the demo: nothing of the caller's settings, store or network gets in, nothing stays behind. */
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
  // An empty file, so that none of the working directory is read.
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
      // The upstreams fail on purpose here; production's waits would only bore.
      UEE_WAIT_SCALE: "0.02",
      // Those failures are told at the end, in one line.
      UEE_LOG_LEVEL: caller.UEE_LOG_LEVEL ?? "error",
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}

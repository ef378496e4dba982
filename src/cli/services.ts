/** The parts of `uee up`: services that start one after the other and stop in reverse order. */

export interface Service {
  readonly name: string;
  start(): Promise<void>;
  /** The work that did not end in time, one phrase each. Never rejects. */
  stop(deadlineMs: number): Promise<readonly string[]>;
  /** Resolves when the service has ended without being told to; never if that cannot happen. */
  readonly gone: Promise<void>;
}

export interface ServicesEnd {
  /** Told to stop, or the name of the service that ended. */
  lost: string | undefined;
  left: string[];
}

/** Runs the services until the signal fires or one ends; then stops those that were started. */
export async function runServices(
  services: readonly Service[],
  options: { signal: AbortSignal; deadlineMs: number; onStarted?: () => void },
): Promise<ServicesEnd> {
  const { signal, deadlineMs } = options;
  const started: Service[] = [];
  const stopAll = async (): Promise<string[]> => {
    const end = performance.now() + deadlineMs;
    const left: string[] = [];
    for (const service of started.reverse()) {
      left.push(...(await service.stop(Math.max(0, end - performance.now()))));
    }
    return left;
  };
  try {
    for (const service of services) {
      if (signal.aborted) break;
      started.push(service);
      await service.start();
    }
  } catch (error) {
    await stopAll();
    throw error;
  }
  if (!signal.aborted) options.onStarted?.();
  const lost = await firstLost(started, signal);
  return { lost, left: await stopAll() };
}

function firstLost(services: readonly Service[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
    for (const { name, gone } of services) void gone.then(() => resolve(name));
  });
}

/** The hard end of a service: from the moment that it is told to stop, it has so long. */

/** What the work resolves to; or, when so long after the signal it has not, what `late` gives. */
export async function endInTime<Result>(
  signal: AbortSignal,
  deadlineMs: () => number,
  work: Promise<Result>,
  late: () => Result,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const tooLate = new Promise<Result>((resolve) => {
    onAbort = () => {
      timer = setTimeout(() => resolve(late()), deadlineMs());
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

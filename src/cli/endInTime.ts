/** The stop deadline of a service, counted from the stop signal. */

/** Resolves to the result of the work; or, when the time after the signal is over, to that of `late`. */
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

import { formatTime } from "../../core/time.ts";

/** One lastModified window, both ends inclusive, ISO UTC with ms. */
export interface Window {
  start: string;
  end: string;
}

/** NVD refuses more than 120 days; a day less keeps clear of how it counts. */
const MAX_WINDOW_MS = 119 * 86_400_000;

/** NVD began in 1999; nothing was modified before. */
const EARLIEST_MS = Date.UTC(1990, 0, 1);

/** Disjoint windows that cover [fromMs, toMs] from 1990 on. At least one, also when the ends have changed places. */
export function windows(fromMs: number, toMs: number): Window[] {
  const begin = Math.max(fromMs, EARLIEST_MS);
  const end = Math.max(begin, toMs);
  const pieces: Window[] = [];
  for (let start = begin; start <= end; start += MAX_WINDOW_MS + 1) {
    pieces.push({ start: formatTime(start), end: formatTime(Math.min(start + MAX_WINDOW_MS, end)) });
  }
  return pieces;
}

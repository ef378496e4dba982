import { formatTime } from "../../core/time.ts";

/** One lastModified window, both ends inclusive, ISO UTC with ms. */
export interface Window {
  start: string;
  end: string;
}

/** NVD refuses more than 120 days; a day less keeps clear of how it counts. */
const MAX_WINDOW_MS = 119 * 86_400_000;

/** Disjoint windows that cover [fromMs, toMs]. At least one, also when the ends have changed places. */
export function windows(fromMs: number, toMs: number): Window[] {
  const end = Math.max(fromMs, toMs);
  const pieces: Window[] = [];
  for (let start = fromMs; start <= end; start += MAX_WINDOW_MS + 1) {
    pieces.push({ start: formatTime(start), end: formatTime(Math.min(start + MAX_WINDOW_MS, end)) });
  }
  return pieces;
}

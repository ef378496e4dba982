/** Icons of 16 px. An icon never stands alone: a word is beside it, or names its button. */
import type { Sign } from "../lib/machineStates.ts";

type More =
  | "sun"
  | "moon"
  | "auto"
  | "close"
  | "chevron"
  | "external"
  | "copy"
  | "down"
  | "up"
  | "key"
  | "search";

const paths: Readonly<Record<Sign | More, string>> = {
  ring: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3Z",
  half: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3Zm0 0v10",
  play: "M5 3.5v9l7.5-4.5L5 3.5Z",
  queue: "M3 4.5h10M3 8h7M3 11.5h4",
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM8 5v3.2l2.2 1.6",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  stop: "M4 4h8v8H4V4Z",
  check: "m3 8.5 3.2 3.2L13 4.8",
  cross: "m4 4 8 8m0-8-8 8",
  alert: "M8 2.5 14.2 13H1.8L8 2.5Zm0 4v3m0 1.6v.3",
  drain: "M8 2.5v8m0 0L4.8 7.4M8 10.5l3.2-3.1M3 13.5h10",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1.3m0 10.4v1.3M1.5 8h1.3m10.4 0h1.3M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Zm0 0v11m2-10v9m2-7v5",
  close: "m4 4 8 8m0-8-8 8",
  chevron: "m6 3.5 4.5 4.5L6 12.5",
  external: "M9.5 3H13v3.5M13 3 7.5 8.5M11 9.5V13H3V5h3.5",
  copy: "M6 5.5h7v8H6v-8Zm-3-3h7v3H6v5H3v-8Z",
  down: "M8 3v9.5m0 0L4 8.6m4 3.9 4-3.9",
  up: "M8 13V3.5m0 0L4 7.4m4-3.9 4 3.9",
  key: "M2.5 4.5h11v7h-11v-7Zm2 2.3v.1m2.3-.1v.1m2.4-.1v.1m2.3-.1v.1m-6.5 2.4h5.5",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4Zm3.1 7.3 3.4 3.4",
};

const filled = new Set<string>(["play", "stop"]);

export function Icon({ sign }: { sign: Sign | More }) {
  return (
    <svg
      class={`icon${filled.has(sign) ? " icon-filled" : ""}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
    >
      <path d={paths[sign]} />
    </svg>
  );
}

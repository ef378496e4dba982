/** One thing that doctor looked at. A problem makes it end with 1; a note does not. */
export interface Finding {
  check: string;
  verdict: "ok" | "note" | "problem";
  /** What was seen. */
  message: string;
  /** What to change; empty where nothing needs to. */
  remedy: string;
}

export const ok = (check: string, message: string): Finding => ({
  check,
  verdict: "ok",
  message,
  remedy: "",
});

export const note = (check: string, message: string, remedy = ""): Finding => ({
  check,
  verdict: "note",
  message,
  remedy,
});

export const problem = (check: string, message: string, remedy: string): Finding => ({
  check,
  verdict: "problem",
  message,
  remedy,
});

/** The result of one check. A problem makes doctor exit with 1; a note does not. */
export interface Finding {
  check: string;
  verdict: "ok" | "note" | "problem";
  /** The observation. */
  message: string;
  /** The remedy; empty when none is needed. */
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

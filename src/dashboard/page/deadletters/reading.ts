/** Reads one page of dead letters and their totals, again when the filter or the fleet's count changes. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ApiError, DeadLetterStats, DeadLetters } from "../../api/schemas.ts";
import { ask, errorOf, query } from "../live/http.ts";
import { useStore } from "../ui/useStore.ts";
import { type Choice, choice, toFilter } from "./filter.ts";

export const perPage = 20;

export interface Reading {
  page: DeadLetters | null;
  stats: DeadLetterStats | null;
  error: ApiError | null;
  loading: boolean;
  /** Pages before this one. */
  depth: number;
  reload(): void;
  older(): void;
  newer(): void;
}

interface Answers {
  page: DeadLetters | null;
  stats: DeadLetterStats | null;
  error: ApiError | null;
}

/** `version`: changes with the fleet's dead letters; while it is null nothing is requested. */
export function useLetters(version: string | null): Reading {
  const chosen = useStore(choice, (now) => now);
  // Another filter starts at its first page.
  const [place, setPlace] = useState<{ of: Choice; cursors: readonly string[] }>({ of: chosen, cursors: [] });
  const cursors = place.of === chosen ? place.cursors : [];
  const [answers, setAnswers] = useState<Answers>({ page: null, stats: null, error: null });
  const [loading, setLoading] = useState(true);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (version === null) return;
    const leave = new AbortController();
    setLoading(true);
    const wanted = query({ ...toFilter(chosen), limit: perPage, cursor: cursors.at(-1) });
    Promise.all([
      ask<DeadLetters>("GET", `api/dead-letters${wanted}`, undefined, leave.signal),
      ask<DeadLetterStats>("GET", "api/dead-letters/stats", undefined, leave.signal),
    ]).then(
      ([page, stats]) => {
        setAnswers({ page, stats, error: null });
        setLoading(false);
      },
      (thrown) => {
        if (leave.signal.aborted) return;
        setAnswers((before) => ({ ...before, error: errorOf(thrown) }));
        setLoading(false);
      },
    );
    return () => leave.abort();
  }, [chosen, cursors.length, version, turn]);
  const cursor = answers.page?.cursor ?? null;
  return {
    ...answers,
    loading,
    depth: cursors.length,
    reload: useCallback(() => setTurn((now) => now + 1), []),
    older: () => cursor !== null && setPlace({ of: chosen, cursors: [...cursors, cursor] }),
    newer: () => setPlace({ of: chosen, cursors: cursors.slice(0, -1) }),
  };
}

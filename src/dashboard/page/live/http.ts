/** Requests to the server. Every failure is an ApiFailure with code, message and remedy. */
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../../api/schemas.ts";

class ApiFailure extends Error {
  readonly status: number;
  readonly error: ApiError;

  constructor(status: number, error: ApiError) {
    super(error.message);
    this.status = status;
    this.error = error;
  }
}

const unreachable: ApiError = {
  code: "NO_ANSWER",
  message: "The dashboard's server does not answer.",
  remedy: "See whether `uee dashboard` (or `uee up`) still runs and can be reached from here.",
};

interface Credentials {
  csrfToken: string;
  /** On an open dashboard, the name that is stored with actions; a login has its own. */
  actor?: string;
  /** Called after a 401. */
  onEnded: () => void;
}

let credentials: Credentials = { csrfToken: "", onEnded: () => {} };

/** Headers of every later request. */
export const carry = (next: Credentials): void => {
  credentials = next;
};

export async function ask<Answer>(
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await send(method, path, body, signal);
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** The answer to a GET, read again when the path or `version` changes; while `version` is null it is not asked. */
export const useGet = <Answer>(path: string, version: string | number | null = ""): Answered<Answer> =>
  useAnswer(version === null ? null : (signal) => ask<Answer>("GET", path, undefined, signal), [
    path,
    version,
  ]);

/** The same for GETs whose answers are shown together. */
export const useGets = <Answers extends readonly unknown[]>(
  paths: readonly string[],
  version: string | number | null,
): Answered<Answers> =>
  useAnswer(
    version === null
      ? null
      : (signal) =>
          Promise.all(
            paths.map((path) => ask("GET", path, undefined, signal)),
          ) as Promise<unknown> as Promise<Answers>,
    [paths.join(" "), version],
  );

/** Bytes as they are kept. */
export async function askBytes(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  return new Uint8Array(await (await send("GET", path, undefined, signal)).arrayBuffer());
}

export interface Answered<Answer> {
  /** The last one that came; null before the first. */
  answer: Answer | null;
  /** From the last request. */
  error: ApiError | null;
  loading: boolean;
}

/** Asks once, and again when one of `when` changes; null: do not ask now. */
export function useAnswer<Answer>(
  read: ((signal: AbortSignal) => Promise<Answer>) | null,
  when: readonly unknown[],
): Answered<Answer> {
  const [state, setState] = useState<Answered<Answer>>({ answer: null, error: null, loading: true });
  useEffect(() => {
    if (read === null) return;
    const away = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    read(away.signal).then(
      (answer) => setState({ answer, error: null, loading: false }),
      (thrown) => {
        if (!away.signal.aborted)
          setState((before) => ({ ...before, error: errorOf(thrown), loading: false }));
      },
    );
    return () => away.abort();
  }, when);
  return state;
}

async function send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const changes = method !== "GET";
  const { csrfToken, actor } = credentials;
  let response: Response;
  try {
    response = await fetch(new URL(path, location.origin), {
      method,
      headers: {
        Accept: "application/json",
        ...(changes && csrfToken !== "" ? { "X-CSRF-Token": csrfToken } : {}),
        ...(changes && actor ? { "X-Actor": actor } : {}),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiFailure(0, unreachable);
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const error = await response.json().then(
    (body: Partial<ApiError>) => body,
    (): Partial<ApiError> => ({}),
  );
  const failure = new ApiFailure(response.status, {
    ...error,
    code: error.code ?? `HTTP_${response.status}`,
    message: error.message ?? `The server answered with status ${response.status}.`,
    remedy: error.remedy ?? "Look at the log of the dashboard's server.",
  });
  if (response.status === 401) credentials.onEnded();
  return failure;
}

/** Any thrown value as an error of the API, for notices. */
export const errorOf = (thrown: unknown): ApiError =>
  thrown instanceof ApiFailure
    ? thrown.error
    : { code: "PAGE", message: String(thrown), remedy: "Reload the page; tell us if it happens again." };

/** `?a=1&b=x`, without undefined and empty values. */
export function query(values: Record<string, string | number | boolean | undefined | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

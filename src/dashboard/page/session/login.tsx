/** The login: token and name, or the reason why it is unavailable. */
import { useState } from "preact/hooks";
import type { ApiError } from "../../api/schemas.ts";
import { errorOf } from "../live/http.ts";
import { ErrorText } from "../ui/outcome.tsx";
import { begin, login, ownName, rememberName } from "./session.ts";

export function Login({ ended }: { ended: boolean }) {
  const [token, setToken] = useState("");
  const [name, setName] = useState(ownName());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await login({ token, name: name.trim() });
      rememberName(name.trim());
    } catch (thrown) {
      setError(errorOf(thrown));
      setBusy(false);
    }
  };

  return (
    <Gate>
      {ended && (
        <p class="notice tone-warn" role="status">
          Your login has ended. Actions that you started continue.
        </p>
      )}
      <form class="stack" onSubmit={submit}>
        <label class="field">
          <span>Your name</span>
          <input
            name="name"
            autocomplete="username"
            required
            maxLength={64}
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
            aria-describedby="name-hint"
          />
          <span class="hint" id="name-hint">
            Stored with all your actions.
          </span>
        </label>
        <label class="field">
          <span>Token</span>
          <input
            name="token"
            type="password"
            autocomplete="current-password"
            required
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
            aria-describedby="token-hint"
          />
          <span class="hint" id="token-hint">
            The value of <code>UEE_API_TOKEN</code>.
          </span>
        </label>
        <div role="alert">
          {error && (
            <div class="notice tone-bad">
              <ErrorText error={error} />
            </div>
          )}
        </div>
        <button class="button button-main" type="submit" disabled={busy}>
          {busy ? "Logging in …" : "Log in"}
        </button>
      </form>
    </Gate>
  );
}

export function Unreachable({ message, remedy }: { message: string; remedy: string }) {
  return (
    <Gate>
      <div class="notice tone-bad" role="alert">
        <div class="notice-text">
          <p>{message}</p>
          <p class="muted">{remedy}</p>
        </div>
      </div>
      <button class="button button-main" type="button" onClick={() => void begin()}>
        Try again
      </button>
    </Gate>
  );
}

export function Asking() {
  return (
    <Gate>
      <p class="muted" role="status">
        Connecting …
      </p>
    </Gate>
  );
}

function Gate({ children }: { children: preact.ComponentChildren }) {
  return (
    <main class="gate">
      <div class="gate-box">
        <h1 class="wordmark">
          UEE <span>mirror</span>
        </h1>
        {children}
      </div>
    </main>
  );
}

/** The login: token and name, or the reason why it is unavailable. */
import { useState } from "preact/hooks";
import type { ApiError } from "../../api/schemas.ts";
import { errorOf } from "../live/http.ts";
import { Field } from "../ui/dialog.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { begin, login, ownName, rememberName } from "./session.ts";

const tokenHint = (
  <>
    The value of <code>UEE_API_TOKEN</code>.
  </>
);

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
        <Field
          label="Your name"
          hint="Stored with all your actions."
          value={name}
          onValue={setName}
          input={{ name: "name", autocomplete: "username", required: true, maxLength: 64 }}
        />
        <Field
          label="Token"
          hint={tokenHint}
          value={token}
          onValue={setToken}
          input={{ name: "token", type: "password", autocomplete: "current-password", required: true }}
        />
        <div class="outcome-place" role="alert">
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
      <div class="column gate-box">
        <h1 class="wordmark">
          UEE <span>mirror</span>
        </h1>
        {children}
      </div>
    </main>
  );
}

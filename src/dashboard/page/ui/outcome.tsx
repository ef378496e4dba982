/** The place for the result of an action: beside its subject, announced, until it is dismissed or replaced. */
import type { ApiError } from "../../api/schemas.ts";
import { forget, outcomes } from "../state/outcomes.ts";
import { Icon } from "./icon.tsx";
import { useStore } from "./useStore.ts";

export function OutcomeAt({ place }: { place: string }) {
  const outcome = useStore(outcomes, (all) => all[place]);
  return (
    // Always rendered: its contents are announced when they appear.
    <div class="outcome-place" role={outcome?.done === false ? "alert" : "status"}>
      {outcome && (
        <div class={`notice ${outcome.done ? "tone-good" : "tone-bad"}`}>
          <Icon sign={outcome.done ? "check" : "cross"} />
          <div class="notice-text">
            <p>{outcome.text}</p>
            {outcome.error && <ErrorText error={outcome.error} />}
          </div>
          <button
            type="button"
            class="button button-plain button-icon"
            aria-label="Dismiss this message"
            onClick={() => forget(place)}
          >
            <Icon sign="close" />
          </button>
        </div>
      )}
    </div>
  );
}

/** The API's error in full: what happened, what would allow it, the remedy. */
export function ErrorText({ error }: { error: ApiError }) {
  return (
    <div class="error-text">
      <p>
        <code>{error.code}</code> {error.message}
      </p>
      {error.fields?.map(({ field, problem }) => (
        <p key={field}>
          <code>{field}</code> {problem}
        </p>
      ))}
      {error.allowed && error.allowed.length > 0 && (
        <p>States that would allow it: {error.allowed.join(", ")}.</p>
      )}
      <p class="muted">{error.remedy}</p>
    </div>
  );
}

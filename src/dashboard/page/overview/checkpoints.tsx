/** The last checkpoints of a source: what was committed or given up. */
import type { Checkpoint, Checkpoints as CheckpointList } from "../../api/schemas.ts";
import { count } from "../lib/figures.ts";
import { useGet } from "../live/http.ts";
import { Answer } from "../ui/answer.tsx";
import { Moment } from "../ui/parts.tsx";

/** Read again when the machine's version changes. */
export function Checkpoints({ provider, version }: { provider: string; version: number }) {
  const path = `/api/providers/${encodeURIComponent(provider)}/checkpoints?limit=8`;
  return (
    <Answer of={useGet<CheckpointList>(path, version)} loading={[3, "checkpoints"]}>
      {({ checkpoints }) => (
        <section aria-label={`Checkpoints of ${provider}`}>
          <h4>Checkpoints</h4>
          {checkpoints.length === 0 ? (
            <p class="muted">None yet.</p>
          ) : (
            checkpoints.map((one) => (
              <CheckpointLine key={`${one.runId}/${one.batch}/${one.at}`} checkpoint={one} />
            ))
          )}
        </section>
      )}
    </Answer>
  );
}

const CheckpointLine = ({
  checkpoint: { urn, records, at, success, error, batch },
}: {
  checkpoint: Checkpoint;
}) => (
  <p class="row small">
    <span class={success ? "text-good" : "text-bad"}>
      {success ? "committed" : `failed, ${error ?? "no code"}`}
    </span>
    <span>
      {count(records)} records, <Moment at={at} show="clock" />
    </span>
    <code class="muted clip" title={`${urn}, batch ${batch}`}>
      {urn}
    </code>
  </p>
);

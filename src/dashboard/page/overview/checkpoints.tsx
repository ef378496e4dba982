/** The last checkpoints of a source: what was committed or given up. */
import type { Checkpoint, Checkpoints as CheckpointList } from "../../api/schemas.ts";
import { plural } from "../lib/figures.ts";
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
            <ul class="rows rows-checkpoints small">
              {checkpoints.map((one) => (
                <CheckpointLine key={`${one.runId}/${one.batch}/${one.at}`} checkpoint={one} />
              ))}
            </ul>
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
  <li>
    <Moment at={at} show="clock" />
    <span class={success ? undefined : "text-bad"}>
      {success ? `${plural(records, "record")} committed` : `given up: ${error ?? "no code"}`}
    </span>
    <code class="muted clip" title={`${urn}, batch ${batch}`}>
      {urn}
    </code>
  </li>
);

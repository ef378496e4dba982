/** One dead letter with all details and the received bytes. */
import { useEffect, useState } from "preact/hooks";
import type { ApiError, DeadLetter } from "../../api/schemas.ts";
import { bytes, plural } from "../lib/figures.ts";
import { ask, askBytes, errorOf } from "../live/http.ts";
import { Dialog, focusOnce } from "../ui/dialog.tsx";
import { ErrorText } from "../ui/outcome.tsx";
import { Fact, Loading, Moment } from "../ui/parts.tsx";
import { useMedia } from "../ui/useStore.ts";
import type { BulkAction } from "./bulkDialog.tsx";
import { DeadLetterState } from "./letterState.tsx";
import { hexLines, readable } from "./rawText.ts";

export function LetterDialog({
  id,
  onClose,
  onAct,
}: {
  id: string;
  onClose: () => void;
  onAct: (action: BulkAction) => void;
}) {
  const [letter, setLetter] = useState<DeadLetter | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    const away = new AbortController();
    ask<DeadLetter>("GET", `api/dead-letters/${encodeURIComponent(id)}`, undefined, away.signal).then(
      setLetter,
      (thrown) => {
        if (!away.signal.aborted) setError(errorOf(thrown));
      },
    );
    return () => away.abort();
  }, [id]);
  return (
    <Dialog title={letter?.subject ?? "Dead letter"} onClose={onClose} wide>
      {error !== null ? (
        <ErrorText error={error} />
      ) : letter === null ? (
        <Loading lines={5} what="the dead letter" />
      ) : (
        <div class="stack">
          <Facts letter={letter} />
          {letter.rawBytes > 0 && <Raw letter={letter} />}
          <div class="dialog-foot">
            <button type="button" class="button" onClick={() => onAct("purge")}>
              Purge
            </button>
            {letter.kind === "record" && letter.state === "dead" && (
              <button type="button" class="button" onClick={() => onAct("accept")}>
                Accept
              </button>
            )}
            <button type="button" class="button button-main" ref={focusOnce} onClick={() => onAct("replay")}>
              Replay
            </button>
          </div>
        </div>
      )}
    </Dialog>
  );
}

function Facts({ letter }: { letter: DeadLetter }) {
  const { lastAction } = letter;
  return (
    <>
      <p class="letter-says">
        <DeadLetterState letter={letter} /> <code>{letter.code}</code> {letter.message}
      </p>
      <dl class="facts facts-letter">
        <Fact label="Provider">{letter.provider}</Fact>
        <Fact label="Kind">
          {letter.kind === "batch" && letter.size > 0
            ? `batch of ${plural(letter.size, "record")}`
            : letter.kind}
          , {letter.class}
        </Fact>
        <Fact label="Tries">
          {plural(letter.attempts, "attempt")}, {plural(letter.replays, "replay")}
        </Fact>
        <Fact label="First failed">
          <Moment at={letter.firstFailedAt} show="both" />
        </Fact>
        <Fact label="Last failed">
          <Moment at={letter.lastFailedAt} show="both" />
        </Fact>
        <Fact label="Raw bytes">{letter.rawBytes > 0 ? bytes(letter.rawBytes) : "none kept"}</Fact>
      </dl>
      <dl class="facts facts-ids">
        <Fact label="Letter">
          <code>{letter.id}</code>
        </Fact>
        <Fact label="Run">
          <code>{letter.runId}</code>
        </Fact>
        <Fact label="Batch">
          <code>{letter.batch}</code>
        </Fact>
        {letter.jobId !== null && (
          <Fact label="Job">
            <code>{letter.jobId}</code>
          </Fact>
        )}
        {letter.replayRunId !== null && (
          <Fact label="Replayed in run">
            <code>{letter.replayRunId}</code>
          </Fact>
        )}
      </dl>
      {lastAction !== null && (
        <p class="muted">
          {lastAction.what === "replay" ? "Replayed" : "Accepted"} by {lastAction.actor},{" "}
          <Moment at={lastAction.at} />
          {lastAction.reason !== null && `: ${lastAction.reason}`}
        </p>
      )}
    </>
  );
}

/** Part that is shown; the whole can be saved. */
const shownBytes = 16 * 1024;

function Raw({ letter }: { letter: DeadLetter }) {
  const [raw, setRaw] = useState<Uint8Array | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [hex, setHex] = useState(false);
  const narrow = useMedia("(max-width: 640px)");
  const path = `api/dead-letters/${encodeURIComponent(letter.id)}/raw`;
  useEffect(() => {
    const away = new AbortController();
    askBytes(path, away.signal).then(setRaw, (thrown) => {
      if (!away.signal.aborted) setError(errorOf(thrown));
    });
    return () => away.abort();
  }, [path]);
  if (error !== null) return <ErrorText error={error} />;
  if (raw === null) return <Loading lines={3} what="the raw bytes" />;
  const part = raw.subarray(0, shownBytes);
  return (
    <section class="raw" aria-label="Raw bytes">
      <div class="raw-head">
        <h3>As it was received</h3>
        <fieldset class="segments" aria-label="Show raw bytes as">
          <button type="button" aria-pressed={!hex} onClick={() => setHex(false)}>
            Text
          </button>
          <button type="button" aria-pressed={hex} onClick={() => setHex(true)}>
            Hex
          </button>
        </fieldset>
        <a href={path} download={`${letter.subject}.raw`}>
          Save {bytes(raw.length)}
        </a>
      </div>
      <textarea
        aria-label="Raw bytes"
        readOnly
        rows={14}
        spellcheck={false}
        value={hex ? hexLines(part.subarray(0, 4_096), narrow ? 8 : 16) : readable(part)}
      />
      {raw.length > (hex ? 4_096 : shownBytes) && (
        <p class="muted">The first {bytes(hex ? 4_096 : shownBytes)} are shown.</p>
      )}
    </section>
  );
}

/** One dead letter with all details and the received bytes. */
import { useState } from "preact/hooks";
import type { DeadLetter } from "../../api/schemas.ts";
import { bytes, plural } from "../lib/figures.ts";
import { askBytes, useAnswer, useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { Answer } from "../ui/answer.tsx";
import { Dialog, focusOnce } from "../ui/dialog.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { Fact, Loading, Moment, Prose, Segments } from "../ui/parts.tsx";
import { useMedia } from "../ui/useStore.ts";
import type { BulkAction } from "./bulkDialog.tsx";
import { DeadLetterState } from "./letterTable.tsx";
import { fieldOf, hexLines, placeOf, readable } from "./rawText.ts";

interface LetterDialogProps {
  id: string;
  onClose: () => void;
  onAct: (action: BulkAction) => void;
}

export function LetterDialog({ id, onClose, onAct }: LetterDialogProps) {
  const read = useGet<DeadLetter>(`/api/dead-letters/${encodeURIComponent(id)}`);
  return (
    <Dialog title={read.answer?.subject ?? "Dead letter"} onClose={onClose} wide>
      <Answer of={read} loading={[5, "the dead letter"]}>
        {(letter) => (
          <div class="stack">
            <Facts letter={letter} />
            {letter.rawBytes > 0 && <Raw letter={letter} />}
            <div class="row dialog-foot">
              <button type="button" class="button" onClick={() => onAct("purge")}>
                Purge
              </button>
              {letter.kind === "record" && letter.state === "dead" && (
                <button type="button" class="button" onClick={() => onAct("accept")}>
                  Accept
                </button>
              )}
              <button
                type="button"
                class="button button-main"
                ref={focusOnce}
                onClick={() => onAct("replay")}
              >
                Replay
              </button>
            </div>
          </div>
        )}
      </Answer>
    </Dialog>
  );
}

function Facts({ letter }: { letter: DeadLetter }) {
  const { lastAction, id, runId, batch, jobId, replayRunId } = letter;
  const ids: readonly (readonly [label: string, value: string | null, to?: string])[] = [
    ["Letter", id],
    ["Run", runId, href("runs", runId)],
    ["Batch", batch],
    ["Job", jobId],
    ["Replayed in run", replayRunId, href("runs", replayRunId)],
  ];
  return (
    <>
      <p class="letter-says">
        <DeadLetterState letter={letter} /> <code>{letter.code}</code> <Prose text={letter.message} />
      </p>
      <dl class="facts facts-letter">
        <Fact label="Source">{letter.provider}</Fact>
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
        {ids
          .filter(([, value]) => value !== null)
          .map(([label, value, to]) => (
            <Fact key={label} label={label}>
              {to === undefined ? (
                <code>{value}</code>
              ) : (
                <a href={to}>
                  <code>{value}</code>
                </a>
              )}
            </Fact>
          ))}
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

const looks = [
  ["text", "Text"],
  ["hex", "Hex"],
] as const;

/** A part is shown; the whole can be saved. */
function Raw({ letter }: { letter: DeadLetter }) {
  const [shown, setShown] = useState<"text" | "hex">("text");
  const narrow = useMedia("(max-width: 640px)");
  const path = `/api/dead-letters/${encodeURIComponent(letter.id)}/raw`;
  const { answer: raw, error } = useAnswer((signal) => askBytes(path, signal), [path]);
  if (error !== null) return <ErrorText error={error} />;
  if (raw === null) return <Loading lines={3} what="the raw bytes" />;
  const field = fieldOf(letter.message);
  const most = shown === "hex" ? 4_096 : 16_384;
  const part = raw.subarray(0, most);
  return (
    <section class="raw" aria-label="Raw bytes">
      <div class="row raw-head">
        <h3>As it was received</h3>
        <Segments label="Show raw bytes as" value={shown} choices={looks} onChoose={setShown} />
        <a href={path} download={`${letter.subject}.raw`}>
          Save {bytes(raw.length)}
        </a>
      </div>
      <section
        class="raw-bytes"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        aria-label={field === null ? "Raw bytes" : `Raw bytes, ${field} is marked`}
      >
        <pre>
          {shown === "hex" ? hexLines(part, narrow ? 8 : 16) : <Marked text={readable(part)} field={field} />}
        </pre>
      </section>
      {raw.length > most && <p class="muted">The first {bytes(most)} are shown.</p>}
    </section>
  );
}

/** The text with the offending field marked, and in view. */
function Marked({ text, field }: { text: string; field: string | null }) {
  const found = field === null ? null : placeOf(text, field);
  if (found === null) return <>{text}</>;
  return (
    <>
      {text.slice(0, found.from)}
      <mark ref={(element) => element?.scrollIntoView({ block: "center" })}>
        {text.slice(found.from, found.to)}
      </mark>
      {text.slice(found.to)}
    </>
  );
}

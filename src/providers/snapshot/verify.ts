import { formatTime, parseTime } from "../../core/time.ts";
import type { Verdict, VerifyInput } from "../contract.ts";
import { planSnapshot, type SnapshotPayload } from "./payload.ts";

/**
 * A snapshot is complete when every record that it holds was received. Its watermark is the first of these that does not
 * lie in the future: the edition's own date, the file's `Last-Modified`, the newest record; else the run's start.
 */
export function verifySnapshot({
  facts,
  unique,
  pass,
  newest,
  startedAt,
}: VerifyInput): Verdict<SnapshotPayload> {
  const totals = new Set(facts.map((batch) => batch.facts.total));
  if (totals.size !== 1 || !totals.has(unique)) {
    const reason = `${unique} records received of ${[...totals].join(" or ") || "an unknown number"}`;
    return { kind: "again", reason, batches: planSnapshot(pass + 1) };
  }
  const edition = facts.find((batch) => batch.facts.edition !== undefined)?.facts.edition;
  const start = Date.parse(startedAt);
  // A date in the future does not say up to when the catalogue is complete.
  const at = [parseTime(edition?.date), httpTime(edition?.lastModified), parseTime(newest)].find(
    (time) => time !== undefined && time <= start,
  );
  return { kind: "verified", watermark: formatTime(at ?? start) };
}

function httpTime(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

/** One record: for people and raw, its history, its graph, and how scripts get it. */
import { useState } from "preact/hooks";
import type { RecentChanges, StoredRecord, Trace } from "../../api/schemas.ts";
import { ChangeLine } from "../changes/changes.tsx";
import { percent } from "../lib/figures.ts";
import { ask, query, useAnswer } from "../live/http.ts";
import { href } from "../state/address.ts";
import { Button, Icon } from "../ui/icon.tsx";
import { ErrorText } from "../ui/notices.tsx";
import { Back, Empty, Fact, Loading, Moment, Panel, Segments } from "../ui/parts.tsx";
import { usePage } from "../ui/useStore.ts";
import { describe } from "./describe.ts";
import { Graph } from "./graph.tsx";

export function RecordView({ id }: { id: string }) {
  const version = usePage(({ fleet: { overview, trouble } }) =>
    overview === null || trouble !== null
      ? null
      : overview.providers.map(({ lastRun }) => lastRun?.runId ?? "").join(" "),
  );
  const path = `/api/records/${encodeURIComponent(id)}`;
  const { answer: record, error } = useAnswer(
    version === null ? null : (signal) => ask<StoredRecord>("GET", path, undefined, signal),
    [path, version],
  );
  return (
    <>
      <Back to={href("records")}>Records</Back>
      {error !== null ? (
        <Panel id="record" title={id}>
          {error.removed ? (
            <p class="lead">
              {error.removed.id} was removed <Moment at={error.removed.removedAt} show="both" /> in{" "}
              <a href={href("runs", error.removed.runId)}>this run</a>: {error.removed.reason}
            </p>
          ) : (
            <ErrorText error={error} />
          )}
        </Panel>
      ) : record === null ? (
        <Panel id="record" title={id} busy>
          <Loading lines={6} what="the record" />
        </Panel>
      ) : (
        <>
          <Content record={record} />
          <Neighbours record={record} version={version ?? ""} />
          <div class="halves">
            <ChangeHistory record={record} version={version ?? ""} />
            <Ways record={record} />
          </div>
        </>
      )}
    </>
  );
}

const looks = [
  ["people", "For people"],
  ["raw", "Raw JSON"],
] as const;

function Content({ record }: { record: StoredRecord }) {
  const [shown, setShown] = useState<"people" | "raw">("people");
  const { title, alias, texts, facts, links } = describe(record);
  return (
    <Panel
      id="record"
      title={alias ?? record.id}
      aside={<Segments label="Show the record" value={shown} choices={looks} onChoose={setShown} />}
    >
      {title !== null && <p class="lead strong">{title}</p>}
      {shown === "raw" ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section class="raw-json" tabIndex={0} aria-label="Raw JSON">
          <pre>{JSON.stringify(record.data, null, 2)}</pre>
        </section>
      ) : (
        <div class="stack">
          {texts.map((text) => (
            <p key={text} class="reading">
              {text}
            </p>
          ))}
          <Beside record={record} />
          <dl class="facts">
            <Fact label="First seen">
              <Moment at={record.firstSeen} />
            </Fact>
            <Fact label="Last changed">
              <Moment at={record.lastChanged} />
            </Fact>
            {facts.map(([label, value]) => (
              <Fact key={label} label={label}>
                {value}
              </Fact>
            ))}
          </dl>
          {links.length > 0 && (
            <details class="disclose">
              <summary>
                {links.length} {links.length === 1 ? "reference" : "references"}
              </summary>
              <ul class="column">
                {links.map((link) => (
                  <li key={link} class="row-text">
                    <a href={link} target="_blank" rel="noreferrer">
                      {link}
                    </a>
                  </li>
                ))}
              </ul>
            </details>
          )}
        </div>
      )}
    </Panel>
  );
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** `97 %`, `0.04 %`: most are far below one percent. */
const probability = (share: number): string =>
  share >= 0.1 ? percent(share) : `${(share * 100).toFixed(2)} %`;

/** What other sources say about the same subject: KEV and EPSS beside a CVE. */
function Beside({ record }: { record: StoredRecord }) {
  const path = `/api/records${query({ subject: record.id })}`;
  const { answer } = useAnswer(
    (signal) => ask<{ records: StoredRecord[] }>("GET", path, undefined, signal),
    [path],
  );
  const others = (answer?.records ?? []).filter(({ urn }) => urn !== record.urn);
  if (others.length === 0) return null;
  return (
    <ul class="row beside" aria-label="What other sources say">
      {others.map(({ urn, provider, data }) => (
        <li key={urn} class="card">
          <a href={href("records", urn)}>{provider === "kev" ? "Exploited (KEV)" : provider.toUpperCase()}</a>{" "}
          {provider === "epss"
            ? `${probability(Number(data.epss))} in the next 30 days, above ${percent(Number(data.percentile))} of all`
            : provider === "kev"
              ? `since ${text(data.dateAdded)}, due ${text(data.dueDate)}. ${text(data.requiredAction)}`
              : text(data.name ?? data.Name)}
        </li>
      ))}
    </ul>
  );
}

function Neighbours({ record, version }: { record: StoredRecord; version: string }) {
  const path = `/api/trace/${encodeURIComponent(record.urn)}?limit=10`;
  const { answer, error } = useAnswer(
    (signal) => ask<Trace>("GET", path, undefined, signal),
    [path, version],
  );
  return (
    <Panel id="graph" title="What it belongs to" busy={answer === null}>
      {error !== null ? (
        <ErrorText error={error} />
      ) : answer === null ? (
        <Loading lines={4} what="the graph" />
      ) : answer.edges.length === 0 ? (
        <Empty title="No neighbours">It names no other record, and none names it.</Empty>
      ) : (
        <Graph trace={answer} />
      )}
    </Panel>
  );
}

function ChangeHistory({ record, version }: { record: StoredRecord; version: string }) {
  const path = `/api/changes/recent${query({ provider: record.provider, id: record.id, limit: 20 })}`;
  const { answer, error } = useAnswer(
    (signal) => ask<RecentChanges>("GET", path, undefined, signal),
    [path, version],
  );
  return (
    <Panel id="record-changes" title="Its changes" busy={answer === null}>
      {error !== null ? (
        <ErrorText error={error} />
      ) : answer === null ? (
        <Loading lines={3} what="its changes" />
      ) : (
        <>
          {answer.changes.length > 0 && (
            <ol class="rows rows-record" aria-label="Changes of the record, the newest first">
              {answer.changes.map((change) => (
                <ChangeLine key={change.cursor} change={change} own />
              ))}
            </ol>
          )}
          {!answer.complete && (
            <p class="muted small">
              Its last change is of <Moment at={record.lastChanged} show="both" />; the newest 8,000 changes
              of {record.provider} were looked through.
            </p>
          )}
          {answer.complete && answer.changes.length === 0 && (
            <p class="muted">The feed of {record.provider} tells of no single record.</p>
          )}
        </>
      )}
    </Panel>
  );
}

/** The same by command line and API, to copy. */
function Ways({ record: { urn, id, provider } }: { record: StoredRecord }) {
  const ways = [
    ["Command line", `uee get ${id} --provider ${provider}`],
    ["Graph", `uee trace ${id}`],
    ["API", `curl ${location.origin}/api/records/${urn}`],
    ["Its changes", `uee changes --provider ${provider} | grep ${id}`],
  ] as const;
  return (
    <Panel id="ways" title="The same for scripts">
      <ul class="column">
        {ways.map(([label, command]) => (
          <Copyable key={label} label={label} command={command} />
        ))}
      </ul>
    </Panel>
  );
}

function Copyable({ label, command }: { label: string; command: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(command);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <li class="copyable">
      <span class="muted small">{label}</span>
      <code class="row-text">{command}</code>
      <Button aria-label={`Copy: ${command}`} onClick={() => void copy().catch(() => undefined)}>
        <Icon sign={copied ? "check" : "copy"} /> {copied ? "Copied" : "Copy"}
      </Button>
    </li>
  );
}

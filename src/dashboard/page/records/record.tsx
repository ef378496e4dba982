/** One record: for people and raw, its history, its graph, and how scripts get it. */
import { useState } from "preact/hooks";
import type { RecentChanges, StoredRecord, Trace } from "../../api/schemas.ts";
import { ChangeLine } from "../changes/changes.tsx";
import { percent } from "../lib/figures.ts";
import { query, useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { AnswerPanel, AnswerPanels } from "../ui/answer.tsx";
import { Button, Icon } from "../ui/icon.tsx";
import { Back, Empty, Fact, Moment, Panel, Segments } from "../ui/parts.tsx";
import { usePage, useVersion } from "../ui/useStore.ts";
import { describe } from "./describe.ts";
import { Graph } from "./graph.tsx";

export function RecordView({ id }: { id: string }) {
  const version = useVersion(({ lastRun }) => lastRun?.runId);
  const read = useGet<StoredRecord>(`/api/records/${encodeURIComponent(id)}`, version);
  const removed = read.error?.removed;
  return (
    <>
      <Back to={href("records")}>Records</Back>
      {removed ? (
        <Panel id="record" title={id}>
          <p class="lead">
            {removed.id} was removed <Moment at={removed.removedAt} show="both" /> in{" "}
            <a href={href("runs", removed.runId)}>this run</a>: {removed.reason}
          </p>
        </Panel>
      ) : (
        <AnswerPanels id="record" title={id} of={read} loading={[6, "the record"]}>
          {(record) => (
            <>
              <Content record={record} />
              <Neighbours record={record} version={version} />
              <div class="halves">
                <ChangeHistory record={record} version={version} />
                <Ways record={record} />
              </div>
            </>
          )}
        </AnswerPanels>
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
  const { title, alias, texts, vector, facts, links } = describe(record);
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
          {vector !== null && (
            <p class="row-text">
              <span class="muted small">CVSS vector</span> <code>{vector}</code>
            </p>
          )}
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
  const { answer } = useGet<{ records: StoredRecord[] }>(`/api/records${query({ subject: record.id })}`);
  const others = (answer?.records ?? []).filter(({ urn }) => urn !== record.urn);
  if (others.length === 0) return null;
  return (
    <ul class="row beside" aria-label="What other sources say">
      {others.map(({ urn, provider, data }) => (
        <li key={urn} class="card">
          <a href={href("records", urn)}>{provider === "kev" ? "Exploited (KEV)" : provider.toUpperCase()}</a>{" "}
          {provider === "epss"
            ? `exploitation probability ${probability(Number(data.epss))} in the next 30 days, above ${percent(Number(data.percentile))} of all CVEs`
            : provider === "kev"
              ? `listed since ${text(data.dateAdded)}, due ${text(data.dueDate)}. ${text(data.requiredAction)}`
              : text(data.name ?? data.Name)}
        </li>
      ))}
    </ul>
  );
}

interface PartProps {
  record: StoredRecord;
  version: string | null;
}

function Neighbours({ record, version }: PartProps) {
  const read = useGet<Trace>(`/api/trace/${encodeURIComponent(record.urn)}?limit=10&aliases=true`, version);
  return (
    <AnswerPanel id="graph" title="Related records" of={read} loading={[4, "the graph"]}>
      {(trace) =>
        trace.edges.length === 0 ? (
          <Empty title="No related records">It names no other record, and no other record names it.</Empty>
        ) : (
          <Graph trace={trace} />
        )
      }
    </AnswerPanel>
  );
}

function ChangeHistory({ record: { provider, id, lastChanged }, version }: PartProps) {
  const read = useGet<RecentChanges>(`/api/changes/recent${query({ provider, id, limit: 20 })}`, version);
  return (
    <AnswerPanel id="record-changes" title="Change history" of={read} loading={[3, "its changes"]}>
      {({ changes, complete }) => (
        <>
          {changes.length > 0 && (
            <ol class="rows rows-record" aria-label="Changes of the record, the newest first">
              {changes.map((change) => (
                <ChangeLine key={change.cursor} change={change} own />
              ))}
            </ol>
          )}
          {!complete && (
            <p class="muted small">
              Last changed <Moment at={lastChanged} show="both" />. Only the newest 8,000 changes of{" "}
              {provider} were searched.
            </p>
          )}
          {complete && changes.length === 0 && (
            <p class="muted">The change feed of {provider} has no entries for single records.</p>
          )}
        </>
      )}
    </AnswerPanel>
  );
}

/** The same by command line and API, to copy. */
function Ways({ record: { urn, id, provider } }: { record: StoredRecord }) {
  const withToken = usePage(({ entry }) => entry.phase === "in" && entry.session.tokenRequired);
  const login = withToken ? '-H "Authorization: Bearer $UEE_API_TOKEN" ' : "";
  const ways = [
    ["Record", `uee get ${id} --provider ${provider}`],
    ["Graph", `uee trace ${id}`],
    ["API", `curl ${login}${location.origin}/api/records/${urn}`],
    ["Changes", `uee changes --provider ${provider} | grep ${id}`],
  ] as const;
  return (
    <Panel id="ways" title="Command line and API">
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

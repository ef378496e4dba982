/** Finding records: by id, by ATT&CK id, by words of a name. */
import { useEffect, useState } from "preact/hooks";
import type { Search } from "../../api/schemas.ts";
import { plural } from "../lib/figures.ts";
import { query, useGet } from "../live/http.ts";
import { href } from "../state/address.ts";
import { Answer } from "../ui/answer.tsx";
import { Empty, Loading, Panel } from "../ui/parts.tsx";
import { useAddress, usePage } from "../ui/useStore.ts";
import { RecordView } from "./record.tsx";

export function RecordsView() {
  const { id } = useAddress();
  return id === null ? <Records /> : <RecordView id={id} />;
}

/** Records of one answer. */
const most = 50;
const examples = ["CVE-2021-44228", "T1059", "CWE-79", "path traversal"];

function Records() {
  const { q = "" } = useAddress().query;
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const found = useSearch(away ? "" : q);
  return (
    <Panel
      id="records"
      title={q === "" ? "Records" : `Records for “${q}”`}
      busy={q !== "" && found.error === null && found.answer?.complete !== true}
    >
      {q === "" ? (
        <Empty title="Search all sources at once">
          Enter an id or words of a name in the field above (<kbd>/</kbd>). Examples:{" "}
          {examples.map((one, i) => (
            <span key={one}>
              {i > 0 && ", "}
              <a href={href("records", null, { q: one })}>{one}</a>
            </span>
          ))}
        </Empty>
      ) : (
        <Answer of={found} loading={[4, "records"]}>
          {(answer) => <Found answer={answer} />}
        </Answer>
      )}
    </Panel>
  );
}

/** Asks again while names are still being read. */
function useSearch(q: string) {
  const [turn, setTurn] = useState(0);
  const found = useGet<Search>(`/api/search${query({ q, limit: most })}`, q === "" ? null : turn);
  const incomplete = found.answer?.complete === false && !found.loading;
  useEffect(() => {
    if (!incomplete) return;
    const timer = setTimeout(() => setTurn((now) => now + 1), 500);
    return () => clearTimeout(timer);
  }, [incomplete, turn]);
  return found;
}

function Found({ answer: { results, complete } }: { answer: Search }) {
  if (results.length === 0) {
    return complete ? (
      <Empty title="Nothing found">
        Names of CWE, CAPEC, ATT&CK and KEV are searched, and the ids of all sources. CVE records have no
        names: enter the whole id.
      </Empty>
    ) : (
      <Loading lines={4} what="the names" />
    );
  }
  return (
    <>
      <p class="muted small" role="status">
        {!complete
          ? "Names are being read …"
          : results.length === most
            ? `The first ${most} records. More words narrow the search.`
            : plural(results.length, "record")}
      </p>
      <ul class="rows rows-found" aria-label="Records found">
        {results.map(({ urn, provider, id, alias, name }) => (
          <li key={urn}>
            <a href={href("records", urn)}>{alias ?? id}</a>
            <span class="row-text">
              {name} <span class="muted small">{provider}</span>
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Addresses: which view the page shows, and with which filters. Pure functions. */

/** The views in the order of the navigation; each has a key. */
export const views = [
  { view: "overview", path: "/", title: "Overview", key: "1" },
  { view: "runs", path: "/runs", title: "Runs", key: "2" },
  { view: "records", path: "/records", title: "Records", key: "3" },
  { view: "changes", path: "/changes", title: "Changes", key: "4" },
  { view: "dead-letters", path: "/dead-letters", title: "Dead letters", key: "5" },
  { view: "fleet", path: "/fleet", title: "Fleet", key: "6" },
  { view: "history", path: "/history", title: "History", key: "7" },
] as const;
export type View = (typeof views)[number]["view"];
export type Query = Readonly<Record<string, string>>;

export interface Address {
  view: View;
  /** Names one run or one record. */
  id: string | null;
  query: Query;
}

/** Undefined where the page has no such view. */
export function parseAddress(path: string, search: string): Address | undefined {
  const [, first = "", id] = path.split("/");
  const found = views.find((one) => one.path === `/${first}`);
  if (found === undefined) return undefined;
  const query = Object.fromEntries(new URLSearchParams(search));
  return { view: found.view, id: id ? decoded(id) : null, query };
}

/** A half-copied address may end in the middle of an escape. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `/runs/cve-2026…?provider=cve`; empty values are left out. */
export function href(view: View, id: string | null = null, query: Query = {}): string {
  const path = views.find((one) => one.view === view)?.path ?? "/";
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  // Colons are common in URNs and need no escape in a path.
  const own = id === null ? "" : `/${encodeURIComponent(id).replaceAll("%3A", ":")}`;
  return `${path}${own}${search && `?${search}`}`;
}

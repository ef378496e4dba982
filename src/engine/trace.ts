/**
 * The graph around a record. Edges are what records say: each leads from the record that names another one to that one.
 *
 * The walk, from its root:
 *  - out and in: all that the root names, and of the records that name it the first of each provider.
 *  - up: what leads into another provider is followed as far as it goes, CVE → CWE → CAPEC → ATT&CK. Each record on the way
 *    shows all that it names; records of its own provider are not followed.
 *  - down: the same against the edges, ATT&CK ← CAPEC ← CWE ← CVE ← KEV and EPSS, with the first records at each step.
 * No walk comes back to a provider through which it went: CAPEC names weaknesses too, and following them from a CVE would
 * lead to all weaknesses. Such an edge is shown where both of its ends are.
 */
import { UeeError } from "../core/errors.ts";
import { type Link, linksOf } from "../core/links.ts";
import { formatUrn, parseUrn } from "../core/urn.ts";
import type { StoredRecord } from "../records/contract.ts";
import type { ProviderContext } from "../workers/context.ts";
import type { Trace, TraceEdge, TraceOptions } from "./api.ts";
import { aliasesOf, byAlias, subjectOf } from "./records.ts";

const USUAL_LIMIT = 10;
/** Records of one answer. */
const MOST_NODES = 1_000;
/** The relation of a record to its subject. */
const ABOUT = "about";

/** A record, or an id of which the mirror has none. */
interface Place {
  readonly urn: string;
  readonly context: ProviderContext;
  readonly id: string;
  readonly record: StoredRecord | undefined;
}

interface Found {
  readonly from: Place;
  readonly to: Place;
  readonly relation: string;
}

/** Rejects with VAL_URN for a URN of no provider. */
export async function trace(
  contexts: readonly ProviderContext[],
  text: string,
  options: TraceOptions = {},
): Promise<Trace | undefined> {
  const walk = new Walk(contexts, options);
  const root = await walk.root(text.trim());
  return root && (await walk.around(root));
}

class Walk {
  readonly #contexts: readonly ProviderContext[];
  readonly #limit: number;
  readonly #after: string;
  readonly #aliases: boolean;
  /** Places that were looked for, by provider and id or alias. */
  readonly #known = new Map<string, Promise<Place>>();
  readonly #nodes = new Map<string, Place>();
  readonly #edges = new Map<string, TraceEdge>();
  readonly #more: Record<string, number> = {};
  /** Edges that are shown only if both ends are there in the end. */
  readonly #sideways: Found[] = [];

  constructor(
    contexts: readonly ProviderContext[],
    { limit = USUAL_LIMIT, after = "", aliases = false }: TraceOptions,
  ) {
    this.#contexts = contexts;
    this.#limit = limit;
    this.#after = after;
    this.#aliases = aliases;
  }

  /** The record that a text means; else the place that its form names, where other records lead to it. */
  async root(text: string): Promise<Place | undefined> {
    const urn = parseUrn(text);
    const candidates = urn
      ? this.#contexts.filter(
          ({ provider: { authority, name } }) => authority === urn.authority && name === urn.type,
        )
      : this.#contexts.filter((one) => subjectOf(one, this.#contexts) === one.provider.name);
    if (urn && candidates.length === 0) throw new UeeError("VAL_URN", `No provider has URNs like ${text}.`);
    const name = urn?.id ?? text;
    let unknown: Place | undefined;
    for (const context of candidates) {
      const place = await this.#place(context, name);
      if (place.record !== undefined) return place;
      if (urn || context.provider.normalizeId(name) !== undefined) unknown ??= place;
    }
    return unknown && (await this.#incoming(unknown, "")).length > 0 ? unknown : undefined;
  }

  async around(root: Place): Promise<Trace> {
    this.#nodes.set(root.urn, root);
    const out = await this.#outgoing(root);
    const into = await this.#incoming(root, this.#after);
    for (const edge of [...out, ...into]) this.#show(edge, root);
    await this.#follow(root, out, "up");
    await this.#follow(root, into, "down");
    for (const edge of this.#sideways) {
      if (this.#nodes.has(edge.from.urn) && this.#nodes.has(edge.to.urn)) this.#show(edge, edge.from);
    }
    const building = await Promise.all(
      this.#contexts.map(async ({ provider, records }) =>
        (await records.linksComplete()) ? [] : [provider.name],
      ),
    );
    const incomplete = building.flat();
    return {
      root: root.urn,
      nodes: [...this.#nodes.values()].map(({ urn, context, id, record }) => ({
        urn,
        provider: context.provider.name,
        id,
        name: record === undefined ? null : (context.provider.label?.(record.data) ?? id),
        ...(this.#aliases && { alias: (record && aliasesOf(context, record)[0]) ?? null }),
      })),
      edges: [...this.#edges.values()],
      more: this.#more,
      ...(incomplete.length > 0 ? { incomplete } : {}),
    };
  }

  /** Follows edges of the root into other providers, breadth first. */
  async #follow(root: Place, edges: readonly Found[], way: "up" | "down"): Promise<void> {
    const endOf = ({ from, to }: Found): Place => (way === "up" ? to : from);
    const nameOf = ({ context }: Place): string => context.provider.name;
    const walked = new Set([root.urn]);
    let front = edges.map((edge) => ({ place: endOf(edge), passed: [nameOf(root)] }));
    while (front.length > 0) {
      const next: typeof front = [];
      for (const { place, passed } of front) {
        if (passed.includes(nameOf(place)) || walked.has(place.urn) || !this.#nodes.has(place.urn)) continue;
        walked.add(place.urn);
        const through = [...passed, nameOf(place)];
        for (const edge of await (way === "up" ? this.#outgoing(place) : this.#incoming(place, ""))) {
          const end = endOf(edge);
          const isOwn = nameOf(end) === nameOf(place);
          // Against the edges, records of the same provider would lead away from the root.
          if ((isOwn && way === "down") || passed.includes(nameOf(end))) this.#sideways.push(edge);
          else if (this.#show(edge, place)) next.push({ place: end, passed: through });
        }
      }
      front = next;
    }
  }

  /** Returns false where the answer is full: the edge is counted at the place whose edges are being shown. */
  #show({ from, to, relation }: Found, at: Place): boolean {
    const fresh = [from, to].filter(({ urn }) => !this.#nodes.has(urn));
    if (this.#nodes.size + fresh.length > MOST_NODES) {
      this.#count(at, 1);
      return false;
    }
    for (const place of fresh) this.#nodes.set(place.urn, place);
    this.#edges.set(`${from.urn} ${to.urn} ${relation}`, { from: from.urn, to: to.urn, relation });
    return true;
  }

  #count({ urn }: Place, left: number): void {
    if (left > 0) this.#more[urn] = (this.#more[urn] ?? 0) + left;
  }

  /** What a record names, and the relations that start at it. */
  async #outgoing(place: Place): Promise<Found[]> {
    const { context, id, record } = place;
    const { records, provider } = context;
    const found = record === undefined ? [] : await this.#edgesOf(context, record);
    const subject = this.#contexts.find((one) => one.provider.name === provider.subject);
    if (subject && record !== undefined)
      found.push({ from: place, to: await this.#place(subject, id), relation: ABOUT });
    if (provider.links === undefined) return found;
    const { ids, left } = await records.linksFrom(id, { limit: this.#limit });
    this.#count(place, left);
    for (const edges of await Promise.all(ids.map((one) => this.#edgesOfId(context, one)))) {
      found.push(...edges.filter(({ from }) => from.urn === place.urn));
    }
    return found;
  }

  /** The records that name this one, of each provider the first after `after`, and those that are about it. */
  async #incoming(place: Place, after: string): Promise<Found[]> {
    const { context, id, record } = place;
    const target = context.provider.name;
    const names = [id];
    for (const alias of record ? aliasesOf(context, record) : []) {
      // An alias may be another record's as well: it leads to the one that it means.
      if ((await this.#place(context, alias)).urn === place.urn) names.push(alias);
    }
    const found = await Promise.all(
      this.#contexts.map(async (other): Promise<Found[]> => {
        const { records, provider } = other;
        const about = provider.subject === target ? await this.#place(other, id) : undefined;
        const edges: Found[] = about?.record ? [{ from: about, to: place, relation: ABOUT }] : [];
        if (provider.links === undefined) return edges;
        for (const name of names) {
          const { ids, left } = await records.linksTo(target, name, { limit: this.#limit, after });
          this.#count(place, left);
          for (const some of await Promise.all(ids.map((one) => this.#edgesOfId(other, one))))
            edges.push(...some);
        }
        return edges.filter(({ to }) => to.urn === place.urn);
      }),
    );
    return found.flat();
  }

  async #edgesOfId(context: ProviderContext, id: string): Promise<Found[]> {
    const { record } = await this.#place(context, id);
    return record === undefined ? [] : this.#edgesOf(context, record);
  }

  /** The edges that a record says; links into providers that this mirror does not have are none. */
  async #edgesOf(context: ProviderContext, record: StoredRecord): Promise<Found[]> {
    const ends = await Promise.all(
      linksOf(context.provider, record.data).map(async ({ provider, id, relation, from }: Link) => {
        const other = this.#contexts.find((one) => one.provider.name === provider);
        if (other === undefined) return [];
        const places = [this.#place(context, from ?? record.id), this.#place(other, id)] as const;
        return [{ from: await places[0], to: await places[1], relation }];
      }),
    );
    return ends.flat();
  }

  /** By id or alias, each looked for once. */
  #place(context: ProviderContext, name: string): Promise<Place> {
    const key = `${context.provider.name} ${name}`;
    const place = this.#known.get(key) ?? this.#look(context, name);
    this.#known.set(key, place);
    return place;
  }

  async #look(context: ProviderContext, name: string): Promise<Place> {
    const { provider, records } = context;
    const id = provider.normalizeId(name);
    const record = (id === undefined ? undefined : await records.get(id)) ?? (await byAlias(context, name));
    const own = record?.id ?? id ?? name;
    return {
      urn: formatUrn({ authority: provider.authority, type: provider.name, id: own }),
      context,
      id: own,
      record,
    };
  }
}

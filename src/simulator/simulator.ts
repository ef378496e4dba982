/** Assembles the simulator. */

import { ATTACK_INDEX, AttackUpstream } from "./attack/upstream.ts";
import { CAPEC_XML, CapecUpstream, CWE_JSON, CWE_XML, CWE_ZIP, CweUpstream } from "./catalogues.ts";
import { Schedule, SimulatedClock, timeOf } from "./clock.ts";
import { makeControl } from "./control.ts";
import { CveCatalog } from "./cve/catalog.ts";
import { CveFeeds, FEEDS_PATH } from "./cve/feeds.ts";
import { GeneratedCves } from "./cve/generated.ts";
import { SharedCves } from "./cve/shared.ts";
import type { CveSource } from "./cve/state.ts";
import { CVE_PATH, CveUpstream } from "./cve/upstream.ts";
import { EPSS_PATH, EpssUpstream } from "./epss/upstream.ts";
import { Injector } from "./faults/injector.ts";
import { KEV_PATH, KevUpstream } from "./kev/upstream.ts";
import { SimulatorServer } from "./server.ts";
import {
  type Change,
  type ChangeReport,
  type Counts,
  type Point,
  type ScheduledChange,
  type Simulator,
  type SimulatorOptions,
  type SimulatorUrls,
  type StandIn,
  standIns,
} from "./types.ts";
import type { SimulatedUpstream } from "./upstream.ts";
import { RateWatch, RequestLog } from "./watch.ts";

const HOUR = 3_600_000;

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const time = new SimulatedClock(options.clock ?? Date.now);
  const clock = (): number => time.now();
  const { injector, upstreams, sharedData } = makeUpstreams(options, clock);
  const log = new RequestLog();
  const rate = new RateWatch(options.nvdRate);
  const setPoint = (point: Point): Record<StandIn, ChangeReport> =>
    Object.fromEntries(standIns.map((name) => [name, upstreams[name].setPoint(point)])) as Record<
      StandIn,
      ChangeReport
    >;
  const mutate = (change: Change): ChangeReport => upstreams[change.provider ?? "cve"].mutate(change);
  const schedule = new Schedule((change, upstream) =>
    "point" in change ? setPoint(change.point)[upstream] : mutate(change),
  );
  const counts = (): Counts => ({
    requests: { ...log.requests },
    injected: { ...injector.injected },
    injectedTotal: Object.values(injector.injected).reduce((sum, n) => sum + n, 0),
    violations: {
      overLimit: rate.overLimit,
      whileToldToWait: rate.whileToldToWait,
      keyLeaks: log.keyLeaks,
    },
  });
  const core = {
    setPoint,
    mutate,
    setFaults: (faults: readonly string[]) => injector.set(faults),
    clearFaults: () => injector.set([]),
    scheduleChange: (change: ScheduledChange) => schedule.add(change),
    setClock: (now: number | string | undefined) => time.set(now),
    log: (since = 0) => log.entries(since),
    counts,
    content: (provider: StandIn) => upstreams[provider].content(),
    contentLines: (provider: StandIn) => upstreams[provider].contentLines(),
    badRecords: (provider: StandIn) => upstreams[provider].badRecords(),
  };
  const server = new SimulatorServer({
    upstreams,
    injector,
    log,
    rate,
    schedule,
    control: makeControl({ ...core, faults: () => injector.texts }),
    latencyMs: options.latencyMs ?? 0,
    gzip: options.gzip ?? true,
  });
  await server.listen(options.port ?? 0, options.host ?? "127.0.0.1");
  return {
    ...core,
    url: server.url,
    elsewhereUrl: server.elsewhereUrl,
    urls: urlsOf(server.url, sharedData !== undefined),
    close: () => server.close(),
  };
}

function makeUpstreams(
  options: SimulatorOptions,
  clock: () => number,
): { injector: Injector; upstreams: Record<StandIn, SimulatedUpstream>; sharedData: string | undefined } {
  const seed = options.seed ?? 1;
  const point = options.point ?? "before";
  const now = anchor(options.now, clock);
  const oddTimes = options.oddTimes ?? false;
  const injector = new Injector(seed, options.faults ?? []);
  const sharedData = typeof options.dataset === "object" ? options.dataset.sharedData : undefined;
  const source =
    sharedData === undefined
      ? new GeneratedCves({
          seed,
          count: options.cves ?? 3_000,
          now,
          recordBytes: options.recordBytes,
          extremes: options.extremes,
          drift: options.drift,
          oddTimes,
        })
      : new SharedCves(sharedData);
  const exploited = new Exploited(source);
  const catalog = new CveCatalog(source, { seed, order: options.order ?? "id", point, clock });
  const shared = { seed, now, point, injector, sharedData };
  return {
    injector,
    sharedData,
    upstreams: {
      cve: new CveUpstream(catalog, { injector, apiKeys: options.apiKeys, clock, oddTimes }),
      feeds: new CveFeeds(catalog, { injector, oddTimes }),
      cwe: new CweUpstream({ ...shared, count: options.cwes ?? 300 }),
      capec: new CapecUpstream({ ...shared, count: options.capecs ?? 200 }),
      attack: new AttackUpstream({ ...shared, count: options.attackObjects ?? 1_500 }),
      kev: new KevUpstream({ ...shared, count: exploited.countTo(source.slots) }, (slot) =>
        source.id(exploited.at(slot)),
      ),
      epss: new EpssUpstream({ ...shared, count: source.slots }, (slot) => source.id(slot)),
    },
  };
}

/** The generated CVEs that CISA knows to be exploited, in the order of their slots. */
class Exploited {
  readonly #source: CveSource;
  readonly #slots: number[] = [];
  #next = 0;

  constructor(source: CveSource) {
    this.#source = source;
  }

  countTo(end: number): number {
    for (; this.#next < end; this.#next++)
      if (this.#source.isExploited(this.#next)) this.#slots.push(this.#next);
    return this.#slots.length;
  }

  at(place: number): number {
    while (this.#slots.length <= place) this.countTo(this.#next + 100);
    return this.#slots[place]!;
  }
}

const anchor = (now: number | string | undefined, clock: () => number): number =>
  now === undefined ? Math.floor(clock() / HOUR) * HOUR : timeOf(now);

function urlsOf(url: string, shared: boolean): SimulatorUrls {
  return {
    cve: `${url}${CVE_PATH}`,
    feeds: `${url}${FEEDS_PATH}`,
    kev: `${url}${KEV_PATH}`,
    epss: `${url}${EPSS_PATH}`,
    cwe: `${url}${shared ? CWE_JSON : CWE_ZIP}`,
    cweZip: `${url}${CWE_ZIP}`,
    cweXml: `${url}${CWE_XML}`,
    cweJson: `${url}${CWE_JSON}`,
    capec: `${url}${CAPEC_XML}`,
    attack: `${url}${ATTACK_INDEX}`,
  };
}

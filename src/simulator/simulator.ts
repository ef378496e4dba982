/** Assembles the simulator. */

import { stixId } from "./attack/model.ts";
import { ATTACK_INDEX, AttackUpstream } from "./attack/upstream.ts";
import {
  CAPEC_XML,
  CapecUpstream,
  CWE_JSON,
  CWE_XML,
  CWE_ZIP,
  CweUpstream,
  capecModel,
  cweModel,
} from "./catalogues.ts";
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
  const { seed = 1, point = "before", order = "id", oddTimes = false, apiKeys } = options;
  const time = new SimulatedClock(options.clock ?? Date.now);
  const clock = (): number => time.now();
  const now = options.now === undefined ? Math.floor(clock() / HOUR) * HOUR : timeOf(options.now);
  const injector = new Injector(seed, options.faults ?? []);
  const sharedData = typeof options.dataset === "object" ? options.dataset.sharedData : undefined;
  const source: CveSource = sharedData
    ? new SharedCves(sharedData)
    : new GeneratedCves({ ...options, seed, now, count: options.cves ?? 3_000 });
  const exploited = exploitedOf(source);
  const catalog = new CveCatalog(source, { seed, order, point, clock });
  const shared = { seed, now, point, injector, sharedData };
  const upstreams: Record<StandIn, SimulatedUpstream> = {
    cve: new CveUpstream(catalog, { injector, apiKeys, clock, oddTimes }),
    feeds: new CveFeeds(catalog, { injector, oddTimes }),
    cwe: new CweUpstream("cwe", options.cwes ?? 300, shared, (slot) => cweModel.id(seed, slot)),
    capec: new CapecUpstream("capec", options.capecs ?? 200, shared, (slot) => capecModel.id(seed, slot)),
    attack: new AttackUpstream("attack", options.attackObjects ?? 1_500, shared, (slot) =>
      stixId(seed, slot),
    ),
    kev: new KevUpstream("kev", exploited.below(source.slots), shared, (place) =>
      source.id(exploited.slot(place)),
    ),
    epss: new EpssUpstream("epss", source.slots, shared, (slot) => source.id(slot)),
  };
  const log = new RequestLog();
  const rate = new RateWatch(options.nvdRate);
  const setPoint = (to: Point): Record<StandIn, ChangeReport> => {
    const reports = standIns.map((name) => [name, upstreams[name].setPoint(to)]);
    return Object.fromEntries(reports) as Record<StandIn, ChangeReport>;
  };
  const mutate = (change: Change): ChangeReport => upstreams[change.provider ?? "cve"].mutate(change);
  const schedule = new Schedule((change, upstream) =>
    "point" in change ? setPoint(change.point)[upstream] : mutate(change),
  );
  const core = {
    setPoint,
    mutate,
    setFaults: (faults: readonly string[]) => injector.set(faults),
    clearFaults: () => injector.set([]),
    scheduleChange: (change: ScheduledChange) => schedule.add(change),
    setClock: (to: number | string | undefined) => time.set(to),
    log: (since = 0) => log.entries(since),
    counts: (): Counts => ({
      requests: { ...log.requests },
      injected: { ...injector.injected },
      injectedTotal: Object.values(injector.injected).reduce((sum, n) => sum + n, 0),
      violations: {
        overLimit: rate.overLimit,
        whileToldToWait: rate.whileToldToWait,
        keyLeaks: log.keyLeaks,
      },
    }),
    content: (provider: StandIn) => upstreams[provider].content(),
    contentLines: (provider: StandIn) => upstreams[provider].contentLines(),
    badRecords: (provider: StandIn) => upstreams[provider].badRecords(),
  };
  const control = makeControl({ ...core, faults: () => injector.texts });
  const { latencyMs = 0, gzip = true, port = 0, host = "127.0.0.1" } = options;
  const server = new SimulatorServer({ upstreams, injector, log, rate, schedule, control, latencyMs, gzip });
  await server.listen(port, host);
  const { url, elsewhereUrl } = server;
  const urls = urlsOf(url, sharedData !== undefined);
  return { ...core, url, elsewhereUrl, urls, close: () => server.close() };
}

/** The slots of the generated CVEs that CISA knows to be exploited, in order: how many lie below one, and which is the nth. */
function exploitedOf(source: CveSource): { below(end: number): number; slot(place: number): number } {
  const slots: number[] = [];
  let next = 0;
  const below = (end: number): number => {
    for (; next < end; next++) if (source.isExploited(next)) slots.push(next);
    return slots.length;
  };
  const slot = (place: number): number => {
    while (slots.length <= place) below(next + 100);
    return slots[place]!;
  };
  return { below, slot };
}

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

/**
 * Starts the longest test files first, so that no worker is left alone with one of them at the end. Jest knows durations
 * from its cache only, which a fresh checkout lacks. Seconds on two busy cores; a file that is not listed is short.
 */
import Sequencer from "@jest/test-sequencer";

const seconds = {
  "faults/chaos": 270,
  "e2e/dashboardOperator": 120,
  "integration/realFeeds": 110,
  "faults/redisAway": 110,
  "faults/upstreamFaults": 100,
  "e2e/cliRun": 75,
  "faults/killedAnywhere": 65,
  "faults/replayKilled": 65,
  "faults/clusterFailover": 65,
  "integration/outlets/compiledClients": 57,
  "e2e/supervised": 55,
  "faults/bundleKilled": 50,
  "faults/slowNetwork": 48,
  "faults/zombieWorker": 48,
  "faults/feedFaults": 45,
  "faults/pausedOnErrors": 28,
  "integration/feeds": 42,
  "e2e/dashboardStates": 42,
  "e2e/dashboardLine": 40,
  "faults/serveKilled": 38,
  "e2e/cliLocal": 35,
  "faults/batchKillsWorker": 34,
  "integration/exploited": 33,
  "faults/breakerOpens": 33,
  "faults/recoveredByState": 33,
  "integration/outlets/realClients": 33,
  "e2e/examples": 32,
  "integration/heartbeats": 32,
  "e2e/doctor": 15,
  "faults/rollingRestart": 16,
  "integration/records/migration": 31,
  "faults/redisDiskFull": 30,
  "integration/cveListingsModel": 30,
  "integration/cluster/mirror": 29,
  "integration/reconcile": 28,
  "integration/upstream/window": 28,
  "faults/sinkKilled": 28,
  "integration/permits/fleet": 28,
  "faults/reentry": 27,
  "faults/gracefulStop": 27,
  "integration/deadLetters/replay": 24,
  "integration/cveListings": 24,
  "faults/redisReadOnly": 24,
  "integration/permits/fairness": 23,
  "e2e/cluster": 23,
  "integration/outlets/bundle": 22,
  "unit/outlets/cveQueries": 22,
  "faults/feedsKilled": 22,
  "integration/simulator/sharedData": 21,
  "integration/trace": 20,
};

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const known = ({ path }) => seconds[/test\/(.+)\.test\.ts$/.exec(path)?.[1]] ?? 0;
    return super.sort(tests).sort((a, b) => known(b) - known(a));
  }
}

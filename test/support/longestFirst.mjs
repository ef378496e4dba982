/**
 * Starts the longest test files first, so that no worker is left alone with one of them at the end. Jest knows durations
 * from its cache only, which a fresh checkout lacks. Seconds on two busy cores; a file that is not listed is short.
 */
import Sequencer from "@jest/test-sequencer";

const seconds = {
  "faults/chaos": 240,
  "integration/realFeeds": 200,
  "faults/upstreamFaults": 150,
  "e2e/cliRun": 175,
  "faults/killedAnywhere": 160,
  "faults/replayKilled": 150,
  "integration/cveListingsModel": 75,
  "integration/simulator/sharedData": 65,
  "integration/deadLetters/replay": 65,
  "integration/cveListings": 65,
  "integration/outlets/compiledClients": 60,
  "integration/outlets/realClients": 60,
  "unit/outlets/cveQueries": 50,
  "faults/serveKilled": 50,
  "faults/sinkKilled": 45,
  "e2e/dashboardOperator": 60,
  "e2e/dashboardStates": 60,
  "e2e/supervised": 60,
  "faults/redisAway": 100,
  "faults/redisReadOnly": 55,
  "faults/slowNetwork": 55,
  "faults/batchKillsWorker": 50,
  "faults/recoveredByState": 50,
  "faults/zombieWorker": 50,
  "faults/reentry": 45,
  "integration/redis/localDirectory": 45,
  "e2e/dashboard": 35,
  "e2e/examples": 35,
};

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const known = ({ path }) => seconds[/test\/(.+)\.test\.ts$/.exec(path)?.[1]] ?? 0;
    return super.sort(tests).sort((a, b) => known(b) - known(a));
  }
}

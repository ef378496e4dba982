/** Law 9: no secret leaves configuration: not in logs, jobs, values of Redis, commands, or requests to others. */
import type { LawMaker } from "./law.ts";

export const secrets: LawMaker = ({ facts }, { breach, looked }) => ({
  event(event) {
    if (event.k === "secrets") {
      for (const [place, bytes] of Object.entries(event.searched)) {
        looked();
        if (bytes === 0) breach(`nothing was searched in ${place}`);
      }
      for (const place of event.found) breach(place);
    }
    if (event.k === "injected") {
      looked();
      const { keyLeaks = 0 } = event.violations;
      if (keyLeaks > 0) breach(`${keyLeaks} requests to another host carried the API key`);
    }
  },
  end() {
    looked();
    if (!facts.requests.some(({ r }) => r.upstream === "cve" && r.apiKey)) {
      breach("no request carried the key: it was not planted");
    }
  },
});

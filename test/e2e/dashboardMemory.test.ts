/**
 * The page may stay open for weeks: half an hour of events, every second's at once, leaves it as light as it was. The events
 * come the true way, from the engine's looks over /events; only the fleet's clock is fast.
 */
import { expect, test } from "@jest/globals";
import type { CDPSession } from "playwright-core";
import { inBrowser, provider } from "../support/dashboard/inBrowser.ts";
import type { Paper } from "../support/dashboard/paperEngine.ts";
import {
  iso,
  paperDecision,
  paperHistory,
  paperMachine,
  paperPool,
  paperProvider,
  paperRun,
  paperStatus,
  paperTransition,
  paperWorker,
} from "../support/dashboard/paperFleet.ts";
import { busyPaper } from "../support/dashboard/papers.ts";

/** Everything moves with every look: one look is one second of the fleet. */
function restless(paper: Paper, from: number): { paper: Paper; seconds(): number } {
  let second = 0;
  const begin = Date.now();
  const advance = (): Paper["status"] => {
    second++;
    const now = begin + second * 1_000;
    const states = ["RUNNING", "WAITING_QUOTA", "WAITING_BACKOFF", "RUNNING"] as const;
    const providers = ["cve", "cwe", "capec", "attack"].map((name, i) =>
      paperProvider(name, paperMachine(states[(second + i) % 4]!, now, { version: second }), now, {
        openRun: paperRun(name, now, { fetched: (second * 97) % 12_000, requests: second }),
        records: 300_000 + second,
      }),
    );
    Object.assign(paper, {
      kernel: { ...paper.kernel, p99_latency_ms: 5 + (second % 40), buffer_saturation: (second % 10) / 10 },
      permits: paperPool(now, { allocated: second % 10, fence: second }),
      workers: [1, 2, 3].map((n) => paperWorker(n, now, { id: `w-${n}-${Math.floor(second / 60)}` })),
      transitions: [
        paperTransition(0, now, { version: from + second, id: `${now}-0`, reason: `second ${second}` }),
        ...paper.transitions.slice(0, 99),
      ],
      quotaEvents:
        second % 5 === 0
          ? [paperDecision(second, now, { id: `${now}-0`, at: iso(now) }), ...paper.quotaEvents.slice(0, 99)]
          : paper.quotaEvents,
    });
    return paperStatus(providers, now);
  };
  Object.defineProperty(paper, "status", { get: advance });
  return { paper, seconds: () => second };
}

interface Weight {
  nodes: number;
  listeners: number;
}

/** After full collections; the least of some looks, since an event may be under way at any of them. */
async function weigh(cdp: CDPSession): Promise<Weight> {
  const looks: Weight[] = [];
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    for (let again = 0; again < 2; again++) await cdp.send("HeapProfiler.collectGarbage");
    const { nodes, jsEventListeners } = await cdp.send("Memory.getDOMCounters");
    looks.push({ nodes, listeners: jsEventListeners });
  }
  const least = (name: keyof Weight): number => Math.min(...looks.map((look) => look[name]));
  return { nodes: least("nodes"), listeners: least("listeners") };
}

inBrowser("the page after half an hour of events", ({ visit }) => {
  test("holds no more elements and listeners than at its beginning", async () => {
    const now = Date.now();
    // Its lists are full from the start, so that what grows is a leak.
    const full = { ...busyPaper(), samples: paperHistory(now, 1_600), letters: [] };
    full.transitions = Array.from({ length: 300 }, (_, n) => paperTransition(n, now));
    full.quotaEvents = Array.from({ length: 100 }, (_, n) => paperDecision(n, now));
    const fleet = restless(full, 1_000);
    const { page, context, errors, served } = await visit(fleet.paper, { limits: { pollMs: 8 } });
    await provider(page, "cve").waitFor();
    const cdp = await context.newCDPSession(page);
    const reached = async (second: number): Promise<void> => {
      while (fleet.seconds() < second) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await reached(900);
    const before = await weigh(cdp);
    await reached(900 + 30 * 60);
    const after = await weigh(cdp);
    // 300,000 records at the beginning, one more every second.
    const shown = await page.locator(".source-records strong").first().textContent();
    expect(Number(shown?.replace(/\D/g, ""))).toBeGreaterThan(302_000);
    await page.goto(`${served.url}/history?show=all`);
    await page
      .getByText(/second \d+/)
      .first()
      .waitFor();
    // States differ in what they show; 1,800 events that each left something behind would be many times this.
    expect(after.nodes - before.nodes).toBeLessThan(before.nodes * 0.5);
    expect(after.listeners - before.listeners).toBeLessThan(50);
    expect(errors).toEqual([]);
    process.stderr.write(`page: ${JSON.stringify({ before, after })}\n`);
  });
});

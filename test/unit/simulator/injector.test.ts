import { describe, expect, test } from "@jest/globals";
import { Injector } from "../../../src/simulator/faults/injector.ts";
import { allFaults, type FaultName, faultCatalog, stallingFaults } from "../../../src/simulator/index.ts";

/** Which of the next `requests` requests to cve are struck; takes the fault each time. */
function struck(injector: Injector, requests: number): (FaultName | undefined)[] {
  return Array.from({ length: requests }, () => {
    const drawn = injector.draw("cve", "/rest/json/cves/2.0");
    return (["respond", "content", "deliver"] as const).flatMap(
      (phase) => drawn.takeFirst(phase)[0] ?? [],
    )[0];
  });
}

describe("Fault injection", () => {
  test("meets the same requests again with the same seed, and others with another", () => {
    const one = struck(new Injector(7, ["reset@0.2"]), 200);
    expect(struck(new Injector(7, ["reset@0.2"]), 200)).toEqual(one);
    expect(struck(new Injector(8, ["reset@0.2"]), 200)).not.toEqual(one);
  });

  test("keeps about to its rate and counts what it did", () => {
    const injector = new Injector(3, ["status-503@0.05"]);
    const hits = struck(injector, 4_000).filter((name) => name !== undefined).length;
    expect(hits).toBeGreaterThan(140);
    expect(hits).toBeLessThan(260);
    expect(injector.injected).toEqual({ "status-503": hits });
  });

  test("strikes the requests that were named, as often as was said, and no other upstream", () => {
    expect(struck(new Injector(1, ["reset#2,4"]), 5)).toEqual([
      undefined,
      "reset",
      undefined,
      "reset",
      undefined,
    ]);
    expect(struck(new Injector(1, ["resetx2"]), 4)).toEqual(["reset", "reset", undefined, undefined]);
    expect(struck(new Injector(1, ["reset:attack"]), 2)).toEqual([undefined, undefined]);
    expect(struck(new Injector(1, ["reset:/rest/json/cves/2.0"]), 1)).toEqual(["reset"]);
    expect(struck(new Injector(1, ["reset:/elsewhere"]), 1)).toEqual([undefined]);
  });

  test("spends no count on a fault that was drawn and could not be applied", () => {
    const injector = new Injector(1, ["short-pagex1"]);
    injector.draw("cve", "/");
    expect(injector.injected).toEqual({});
    expect(injector.draw("cve", "/").take("short-page", "1")).toBe("1");
    expect(injector.draw("cve", "/").has("short-page")).toBe(false);
    expect(injector.injected).toEqual({ "short-page": 1 });
  });

  test("'all' spreads one rate over every fault that mends itself and never stalls", () => {
    const injector = new Injector(11, ["all@0.10"]);
    const hits = struck(injector, 20_000).filter((name): name is FaultName => name !== undefined);
    expect(hits.length).toBeGreaterThan(1_700);
    expect(hits.length).toBeLessThan(2_300);
    expect([...new Set(hits)].sort()).toEqual([...allFaults("cve")].sort());
    for (const name of new Set(hits)) {
      expect(faultCatalog[name].cost).not.toBe("lasting");
      expect(stallingFaults).not.toContain(name);
    }
  });

  test("breaks the same records as long as the fault is on, about as many as the rate says, and none after", () => {
    const injector = new Injector(5, ["bad-record@0.1:cve"]);
    const ids = Array.from({ length: 2_000 }, (_, i) => `CVE-2020-${1_000 + i}`);
    const broken = (): (string | undefined)[] => ids.map((id) => injector.badRecords("cve")?.(id));
    const first = broken();
    expect(broken()).toEqual(first);
    const count = first.filter((kind) => kind !== undefined).length;
    expect(count).toBeGreaterThan(140);
    expect(count).toBeLessThan(260);
    expect(new Set(first)).toEqual(new Set([undefined, "not-an-object", "no-id", "wrong-list", "wrong-id"]));
    expect(injector.badRecords("attack")).toBeUndefined();
    injector.set([]);
    expect(injector.badRecords("cve")).toBeUndefined();
  });
});

/** opossum's pitfalls, one by one, at the circuit that the breakers are made of. */
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { type Circuit, makeCircuit } from "../../../src/breakers/circuit.ts";
import { UeeError } from "../../../src/core/errors.ts";

const error = new UeeError("PROV_CONNECTION");
const begin = (circuit: Circuit) => {
  const call = circuit.begin();
  if (!call) throw new Error("the circuit did not let it through");
  return call;
};

const circuits: Circuit[] = [];
const make = (...args: Parameters<typeof makeCircuit>): Circuit => {
  const circuit = makeCircuit(...args);
  circuits.push(circuit);
  return circuit;
};
afterEach(() => {
  for (const circuit of circuits.splice(0)) circuit.retire();
  jest.useRealTimers();
});

describe("a closed circuit", () => {
  test("is not opened by its first failure, nor by any share of failures", async () => {
    const circuit = make("cve", "closed", 30_000);
    for (let i = 0; i < 200; i++) await begin(circuit).failed(error);
    expect(circuit.state).toBe("closed");
    expect(circuit.failures).toBe(200);
  });

  test("is not opened by failures of calls whose beginning has left the rolling window", async () => {
    jest.useFakeTimers();
    const circuit = make("cve", "closed", 30_000);
    const calls = Array.from({ length: 20 }, () => begin(circuit));
    jest.advanceTimersByTime(60_000);
    for (const call of calls) await call.failed(error);
    expect(circuit.state).toBe("closed");
  });

  test("counts failures in a row: a success starts the count again", async () => {
    const circuit = make("cve", "closed", 30_000);
    for (let i = 0; i < 4; i++) await begin(circuit).failed(error);
    await begin(circuit).succeeded();
    expect(circuit.failures).toBe(0);
    await begin(circuit).failed(error);
    expect(circuit.failures).toBe(1);
  });

  test("lets hundreds of calls through at once, and an unsettled call holds no place", () => {
    const circuit = make("cve", "closed", 30_000);
    for (let i = 0; i < 2_000; i++) expect(circuit.begin()).toBeDefined();
    expect(circuit.state).toBe("closed");
  });

  test("ends no call by itself, however long it takes", async () => {
    jest.useFakeTimers();
    const circuit = make("cve", "closed", 30_000);
    const call = begin(circuit);
    await jest.advanceTimersByTimeAsync(24 * 3_600_000);
    expect(circuit.failures).toBe(0);
    await call.succeeded();
    expect(circuit.state).toBe("closed");
  });
});

describe("a half-open circuit", () => {
  test("lets one call through; its success closes it", async () => {
    const circuit = make("cve", "half_open", 30_000);
    expect(circuit.state).toBe("half_open");
    const probe = begin(circuit);
    expect(circuit.begin()).toBeUndefined();
    await probe.succeeded();
    expect(circuit.state).toBe("closed");
  });

  test("is opened again by its call's failure", async () => {
    const circuit = make("cve", "half_open", 30_000);
    await begin(circuit).failed(error);
    expect(circuit.state).toBe("open");
    expect(circuit.begin()).toBeUndefined();
  });

  test("is not closed by a call of the phase before: that settles on the old circuit", async () => {
    const before = make("cve", "closed", 30_000);
    const straggler = begin(before);
    const failing = begin(before);
    before.retire();
    const circuit = make("cve", "half_open", 30_000);
    await straggler.succeeded();
    await failing.failed(error);
    expect(circuit.state).toBe("half_open");
    expect(circuit.failures).toBe(0);
  });
});

describe("an open circuit", () => {
  test("lets nothing through; alone, without word from the fleet, it lets one through when the time is over", async () => {
    jest.useFakeTimers();
    const circuit = make("cve", "open", 30_000);
    expect(circuit.begin()).toBeUndefined();
    jest.advanceTimersByTime(29_900);
    expect(circuit.begin()).toBeUndefined();
    jest.advanceTimersByTime(200);
    const probe = begin(circuit);
    expect(circuit.begin()).toBeUndefined();
    await probe.failed(error);
    expect(circuit.state).toBe("open");
  });

  test("takes any wait, beyond what a timer can hold too", () => {
    const circuit = make("cve", "open", 1e12);
    expect(circuit.state).toBe("open");
    expect(circuit.begin()).toBeUndefined();
  });
});

/**
 * The lines between the fleet and its Redis: one for each worker and one for people. Each may be bad by itself, and all of
 * them are shut together while Redis is not yet to be talked to.
 */
import { startTcpProxy, type TcpProxy } from "../../support/tcpProxy.ts";

export type LineState =
  | { kind: "well" }
  | { kind: "slow"; delayMs: number }
  | { kind: "swallows"; direction: "up" | "down" | "both" }
  | { kind: "refuses" };

export class Lines {
  readonly #target: { port: number };
  readonly #proxies: TcpProxy[] = [];
  readonly #states: LineState[] = [];
  #gate = true;

  private constructor(port: number) {
    this.#target = { port };
  }

  static async start(count: number, port: number): Promise<Lines> {
    const lines = new Lines(port);
    for (let i = 0; i < count; i++) {
      lines.#proxies.push(await startTcpProxy(lines.#target));
      lines.#states.push({ kind: "well" });
    }
    return lines;
  }

  port(line: number): number {
    return this.#proxies[line]!.port;
  }

  set(line: number, state: LineState): void {
    this.#states[line] = state;
    this.#apply(line);
  }

  cut(line: number): void {
    this.#proxies[line]!.cut();
  }

  /** No client reaches Redis until `open`. */
  shut(): void {
    this.#gate = false;
    for (const [line, proxy] of this.#proxies.entries()) {
      this.#apply(line);
      proxy.cut();
    }
  }

  open(port = this.#target.port): void {
    this.#target.port = port;
    this.#gate = true;
    for (const line of this.#proxies.keys()) this.#apply(line);
  }

  #apply(line: number): void {
    const proxy = this.#proxies[line]!;
    const state = this.#states[line]!;
    proxy.heal();
    proxy.delay(state.kind === "slow" ? state.delayMs : 0);
    if (!this.#gate || state.kind === "refuses") proxy.refuse();
    if (state.kind === "swallows") proxy.swallow(state.direction);
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies) await proxy.close();
  }
}

/**
 * A TCP proxy in front of a server of a test, for faults that only a network has: slow, swallowing (half open: nothing is
 * delivered and nothing is closed), refusing, cut. What it does may be changed at any time and holds for the connections that
 * are open too. Bytes are never reordered, repeated or dropped inside of a connection that goes on: TCP does not do that.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** up: from client to server. down: from server to client. */
export type Direction = "up" | "down" | "both";

export interface TcpProxy {
  /** `127.0.0.1:<port>`, the same for the proxy's life. */
  readonly port: number;
  /** Connections open on the client's side. */
  readonly open: number;
  /** Connections ever accepted. */
  readonly accepted: number;
  /** Every byte is delivered so much later, each way, ms; 0 ends it. Order is kept. */
  delay(ms: number): void;
  /**
   * From now on what arrives is taken and not delivered, and nothing is closed, not even what the other side closes. New
   * connections are accepted and swallowed as well. `heal` ends it.
   */
  swallow(direction?: Direction): void;
  /** Every connection that is open now is swallowed, for ever and without being closed; new ones are served. */
  strand(): void;
  /** New connections are closed at once; open ones go on. `heal` ends it. */
  refuse(): void;
  /** Resets every open connection. New ones are served as before. */
  cut(): void;
  /** Where new connections lead from now on; open ones stay where they are. */
  retarget(target: { port: number; host?: string }): void;
  /**
   * Ends `swallow` and `refuse`; the delay stays. A connection of which bytes were swallowed is reset, as the kernels on
   * both of its ends would find out that it is no more.
   */
  heal(): void;
  close(): Promise<void>;
}

interface Link {
  client: Socket;
  server: Socket;
  /** Something of it was swallowed: it can never go on. */
  broken: boolean;
  /** All of it is. */
  stranded: boolean;
}

export async function startTcpProxy(target: { port: number; host?: string }): Promise<TcpProxy> {
  const links = new Set<Link>();
  let destination = target;
  let delayMs = 0;
  let swallowed: Direction | undefined;
  let refusing = false;
  let accepted = 0;

  const swallows = (link: Link, way: "up" | "down") =>
    link.stranded || swallowed === "both" || swallowed === way;

  function reset(link: Link): void {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }

  /** Carries one way of a link. A timer per chunk keeps the order: equal delays fire in the order of their setting. */
  function carry(link: Link, way: "up" | "down"): void {
    const [from, to] = way === "up" ? [link.client, link.server] : [link.server, link.client];
    let lastDue = 0;
    const later = (act: () => void) => {
      // A delay that was lowered does not let bytes overtake those before them.
      const due = Math.max(performance.now() + delayMs, lastDue);
      lastDue = due;
      const ms = due - performance.now();
      if (ms <= 0) act();
      else setTimeout(act, ms).unref();
    };
    from.on("data", (chunk: Buffer) => {
      if (swallows(link, way)) {
        link.broken = true;
        return;
      }
      later(() => {
        if (swallows(link, way)) link.broken = true;
        else if (to.writable && !to.write(chunk)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
    });
    from.on("end", () => {
      if (swallows(link, way)) link.broken = true;
      else later(() => to.end());
    });
    from.on("error", () => {});
    from.on("close", (hadError: boolean) => {
      // A side that is gone is not told to the other while the network is said to be dead.
      if (swallowed !== undefined || link.stranded) link.broken = true;
      else if (hadError) later(() => to.destroy());
      if (link.client.destroyed && link.server.destroyed) links.delete(link);
    });
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted++;
    if (refusing) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({
      port: destination.port,
      host: destination.host ?? "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    const link: Link = { client, server, broken: false, stranded: false };
    links.add(link);
    carry(link, "up");
    carry(link, "down");
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;

  return {
    port,
    get open() {
      return [...links].filter(({ client }) => !client.destroyed).length;
    },
    get accepted() {
      return accepted;
    },
    delay(ms) {
      delayMs = ms;
    },
    swallow(direction = "both") {
      swallowed = direction;
    },
    strand() {
      for (const link of links) link.stranded = true;
    },
    refuse() {
      refusing = true;
    },
    retarget(to) {
      destination = to;
    },
    cut() {
      for (const link of [...links]) reset(link);
    },
    heal() {
      swallowed = undefined;
      refusing = false;
      for (const link of [...links]) if (link.broken) reset(link);
    },
    async close() {
      listener.close();
      for (const link of [...links]) reset(link);
      if (listener.listening) await once(listener, "close");
    },
  };
}

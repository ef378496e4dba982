/** Follows server-sent events over a socket of its own. */
import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { until } from "./until.ts";

export interface ReceivedEvent {
  id: string | undefined;
  name: string;
  data: unknown;
}

export interface EventStream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly events: ReceivedEvent[];
  /** Comment lines: heartbeats. */
  readonly comments: string[];
  /** The server, or we, ended it. */
  readonly ended: boolean;
  /** Id of the last event that had one. */
  readonly lastId: string | undefined;
  of(name: string): ReceivedEvent[];
  /** Resolves with the first event that fits, past or to come. */
  wait(fits: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent>;
  close(): void;
  /** Reads no more, as a client that hangs. */
  hang(): void;
}

export function followEvents(base: string, headers: OutgoingHttpHeaders = {}): Promise<EventStream> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = request({ host: hostname, port, path: "/events", headers, agent: false }, (response) => {
      const events: ReceivedEvent[] = [];
      const comments: string[] = [];
      const state = { ended: false, lastId: undefined as string | undefined };
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          if (block.startsWith(":")) comments.push(block);
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
          const name = field("event");
          if (name === undefined) continue;
          const id = field("id");
          state.lastId = id ?? state.lastId;
          events.push({ id, name, data: JSON.parse(field("data") ?? "null") });
        }
      });
      const end = () => {
        state.ended = true;
      };
      response.on("close", end);
      response.on("error", end);
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        events,
        comments,
        get ended() {
          return state.ended;
        },
        get lastId() {
          return state.lastId;
        },
        of: (name) => events.filter((event) => event.name === name),
        async wait(fits) {
          await until(() => events.some(fits));
          return events.find(fits)!;
        },
        close: () => response.destroy(),
        hang: () => response.pause(),
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Listens to everything that a Redis does (MONITOR), in its own order. */
import { connect, type Socket } from "node:net";
import type { Effect } from "../history.ts";
import { EffectReader } from "./effects.ts";

export interface Tap {
  /** Resolves when the server has confirmed that it tells everything from here on. */
  attach(target: { port: number; password: string }): Promise<void>;
  /** Resolves when a command with this text has been read. */
  heard(text: string): Promise<void>;
  /** All that the server said until now has been read, once this resolves. */
  detach(): Promise<void>;
  /** Resolves when the server has gone, everything that it said until then read. */
  detached(): Promise<void>;
  readonly lines: number;
  readonly bytes: number;
}

export interface TapOptions {
  prefix: string;
  scripts: Map<string, string>;
  onEffect(at: number, effect: Effect): void;
  /** The connection ended without a call of `detach`. */
  onLost(): void;
  /** Texts that must never pass; said with the command they came in. */
  secrets: readonly string[];
  onSecret(command: string): void;
}

export function makeTap(options: TapOptions): Tap {
  let socket: Socket | undefined;
  let lines = 0;
  let bytes = 0;
  const awaited = new Map<string, () => void>();

  const listen = (reader: EffectReader, text: string): void => {
    lines++;
    for (const [word, resolve] of awaited) {
      if (!text.includes(word)) continue;
      awaited.delete(word);
      resolve();
    }
    for (const secret of options.secrets) {
      if (text.includes(secret)) options.onSecret(text.slice(0, 200));
    }
    const read = reader.read(text);
    if (!read) return;
    for (const effect of read.effects) options.onEffect(read.at, effect);
  };

  return {
    heard: (text) => new Promise((resolve) => awaited.set(text, resolve)),
    detached: () =>
      new Promise((resolve) => {
        if (!socket) return resolve();
        const own = socket;
        socket = undefined;
        own.once("close", () => resolve());
      }),
    get lines() {
      return lines;
    },
    get bytes() {
      return bytes;
    },
    attach: ({ port, password }) =>
      new Promise((resolve, reject) => {
        const reader = new EffectReader(options);
        const own = connect({ port, host: "127.0.0.1" });
        let rest = "";
        let confirmed = 0;
        own.setEncoding("latin1");
        own.on("connect", () => own.write(`AUTH ${password}\r\nCLIENT SETNAME chaos:tap\r\nMONITOR\r\n`));
        own.on("error", reject);
        own.on("data", (chunk: string) => {
          bytes += chunk.length;
          const parts = (rest + chunk).split("\r\n");
          rest = parts.pop()!;
          for (const part of parts) {
            if (confirmed < 3) {
              if (part !== "+OK") reject(new Error(`MONITOR was refused: ${part}`));
              if (++confirmed === 3) {
                socket = own;
                resolve();
              }
            } else listen(reader, part);
          }
        });
        own.on("close", () => {
          if (socket !== own) return;
          socket = undefined;
          options.onLost();
        });
      }),
    detach: () =>
      new Promise((resolve) => {
        if (!socket) return resolve();
        const own = socket;
        own.once("close", () => resolve());
        socket = undefined;
        own.end("QUIT\r\n");
        setTimeout(() => own.destroy(), 2_000).unref();
      }),
  };
}

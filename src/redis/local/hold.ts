import { connect } from "node:net";
import { CLOSING_KEY } from "./server.ts";

export interface Hold {
  release(): void;
}

/**
 * Connects and verifies that the server is not stopping; it stays up while the connection is open. Undefined when no
 * server listens or it is stopping: try again. Does not keep the process alive.
 * @throws the system's error when this user may not connect
 */
export function holdServer(socket: string): Promise<Hold | undefined> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    const giveUp = () => {
      connection.destroy();
      resolve(undefined);
    };
    let reply = "";
    connection.setTimeout(2_000, giveUp);
    connection.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EACCES" || error.code === "EPERM") reject(error);
      else giveUp();
    });
    connection.on("close", () => resolve(undefined));
    connection.on("connect", () => connection.write(`EXISTS ${CLOSING_KEY}\r\n`));
    connection.on("data", (chunk) => {
      reply += chunk.toString("latin1");
      if (!reply.endsWith("\r\n")) return;
      if (reply !== ":0\r\n") {
        giveUp();
        return;
      }
      connection.setTimeout(0);
      connection.unref();
      resolve({ release: () => connection.destroy() });
    });
  });
}

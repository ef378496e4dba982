/** Connections to the unix sockets of a local server and its supervisor. */
import { connect } from "node:net";
import { CLOSING_KEY } from "./server.ts";

/**
 * Whether a process listens on this unix socket. The kernel answers for every process that sees the file, whatever
 * its hostname, container or process namespace, and also for a process that is stopped or busy.
 * @throws the system's error when the socket may not be used
 */
export function listens(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(path);
    connection.on("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", (error: NodeJS.ErrnoException) => {
      const { code } = error;
      if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ENOTSOCK") resolve(false);
      else if (code === "EACCES" || code === "EPERM") reject(error);
      // EAGAIN: the queue of connections is full, so the process is alive.
      else resolve(true);
    });
  });
}

/**
 * Connects and verifies that the server is not stopping; it stays up while the connection is open. Undefined when no
 * server listens or it is stopping: try again. Does not keep the process alive.
 * @throws the system's error when this user may not connect
 */
export function holdServer(socket: string): Promise<{ release(): void } | undefined> {
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

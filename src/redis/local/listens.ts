import { connect } from "node:net";

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

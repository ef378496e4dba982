/**
 * The server's entry: notes when each request arrives and does nothing else, in a process of its own so that nothing delays
 * the note. Prints its port, then one line of ms per arrival.
 */
import { createServer } from "node:http";

const server = createServer((_request, response) => {
  process.stdout.write(`${performance.now()}\n`);
  response.end("{}");
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.on("end", () => process.exit(0)).resume();

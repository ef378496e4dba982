/** Requests as they are, header by header: what `fetch` adds or forbids would hide what is tested. */
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON; throws where it is none. */
  json: Record<string, unknown>;
}

export interface Asking {
  method?: string;
  headers?: OutgoingHttpHeaders;
  /** Sent as JSON with its content type; a string is sent as it is. */
  body?: unknown;
}

const agent = new Agent({ keepAlive: true });

/** @param base e.g. `http://127.0.0.1:8080` */
export function ask(
  base: string,
  path: string,
  { method = "GET", headers = {}, body }: Asking = {},
): Promise<Answer> {
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: hostname.replace(/^\[|\]$/g, ""), port, method, path, agent },
        headers: {
          ...(payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) }),
          ...(payload === undefined || typeof body === "string"
            ? {}
            : { "content-type": "application/json" }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            get json() {
              return JSON.parse(text) as Record<string, unknown>;
            },
          });
        });
      },
    );
    sent.on("error", reject);
    sent.end(payload);
  });
}

/**
 * Posts JSON to an address that is a secret. Its errors name neither the address nor its host, and quote nothing that the
 * receiver answers: it may repeat the address.
 */
import { type Dispatcher, request } from "undici";
import { UeeError } from "../core/errors.ts";
import { traitsOf } from "../core/foreignErrors.ts";
import { makeDispatcher } from "./dispatcher.ts";
import { readRetryAfter } from "./failures.ts";

export interface Poster {
  /**
   * Resolves when the receiver has taken the message.
   * @throws UeeError SYS_WEBHOOK_AWAY (the same message may pass later), SYS_WEBHOOK_REFUSED; the signal's reason
   */
  post(body: unknown, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Statuses below 500 with which a receiver says that it cannot take a message at present. */
const passing: ReadonlySet<number> = new Set([408, 425, 429]);

/** @param timeoutMs for the whole exchange */
export function makePoster(address: string, { timeoutMs }: { timeoutMs: number }): Poster {
  const dispatcher: Dispatcher = makeDispatcher({ connectMs: timeoutMs });
  const url = new URL(address);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "uee",
    ...(username === "" ? {} : { authorization: `Basic ${basic.toString("base64")}` }),
  };
  return {
    async post(body, signal) {
      const late = AbortSignal.timeout(timeoutMs);
      const either = signal === undefined ? late : AbortSignal.any([signal, late]);
      let answer: Dispatcher.ResponseData;
      try {
        answer = await request(url, {
          ...{ dispatcher, method: "POST", headers, signal: either },
          body: JSON.stringify(body),
        });
        await answer.body.dump({ limit: 64 * 1024, signal: either });
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        const why = late.aborted
          ? `did not answer within ${timeoutMs} ms`
          : error instanceof UeeError
            ? `cannot be reached: ${error.detail.replace(/\.$/, "")}`
            : `cannot be reached (${traitsOf(error).code ?? "connection failed"})`;
        throw new UeeError("SYS_WEBHOOK_AWAY", `The receiver of the webhook ${why}.`);
      }
      const { statusCode: status } = answer;
      if (status < 300) return;
      const said = `The receiver of the webhook answered ${status}.`;
      if (status < 500 && !passing.has(status)) throw new UeeError("SYS_WEBHOOK_REFUSED", said);
      const told = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
      );
      throw new UeeError("SYS_WEBHOOK_AWAY", said, { retryAfterMs: readRetryAfter(told, Date.now()) });
    },
    close: () => dispatcher.destroy(),
  };
}

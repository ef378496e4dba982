/** The webhook: whether this fleet tells of what needs a person, and a message to try it. */
import type { WebhookState } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { perform } from "../live/actions.ts";
import { ask, useAnswer } from "../live/http.ts";
import { Button } from "../ui/icon.tsx";
import { ErrorText, OutcomeAt } from "../ui/notices.tsx";
import { Loading, Panel } from "../ui/parts.tsx";
import { useNow, usePage } from "../ui/useStore.ts";

const place = "webhook";

const test = (): Promise<boolean> =>
  perform(place, "The test message", async () => {
    await ask("POST", "/api/webhook/test", {});
    return "The receiver took the test message.";
  });

export function Webhook() {
  const halfMinute = Math.floor(useNow() / 30_000);
  const away = usePage(({ fleet }) => fleet.trouble !== null);
  const { answer, error } = useAnswer(
    away ? null : (signal) => ask<WebhookState>("GET", "/api/webhook", undefined, signal),
    [halfMinute, away],
  );
  return (
    <Panel
      id="webhook"
      title="Webhook"
      busy={answer === null}
      aside={answer?.configured && <Button onClick={() => void test()}>Send a test message</Button>}
    >
      {error !== null ? (
        <ErrorText error={error} />
      ) : answer === null ? (
        <Loading lines={1} what="the webhook" />
      ) : answer.configured ? (
        <p>
          What needs a person is sent to it.{" "}
          {answer.waiting > 0 && `${plural(answer.waiting, "message")} waiting. `}
          {answer.failed > 0 && <span class="text-warn">{count(answer.failed)} given up lately.</span>}
        </p>
      ) : (
        <p class="muted">
          None: set <code>UEE_WEBHOOK_URL</code> to be told of pauses, failures and stale sources.
        </p>
      )}
      <OutcomeAt place={place} />
    </Panel>
  );
}

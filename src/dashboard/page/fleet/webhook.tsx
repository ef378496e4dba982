/** The webhook: whether this fleet reports what needs a person, and a message to try it. */
import type { WebhookState } from "../../api/schemas.ts";
import { count, plural } from "../lib/figures.ts";
import { perform } from "../live/actions.ts";
import { ask, useGet } from "../live/http.ts";
import { AnswerPanel } from "../ui/answer.tsx";
import { Button } from "../ui/icon.tsx";
import { OutcomeAt } from "../ui/notices.tsx";
import { useHalfMinute } from "../ui/useStore.ts";

const place = "webhook";

const test = (): Promise<boolean> =>
  perform(place, "The test message", async () => {
    await ask("POST", "/api/webhook/test", {});
    return "The receiver took the test message.";
  });

export function Webhook() {
  const webhook = useGet<WebhookState>("/api/webhook", useHalfMinute());
  return (
    <AnswerPanel
      id="webhook"
      title="Webhook"
      of={webhook}
      loading={[1, "the webhook"]}
      aside={webhook.answer?.configured && <Button onClick={() => void test()}>Send a test message</Button>}
      after={<OutcomeAt place={place} />}
    >
      {({ configured, waiting, failed }) =>
        configured ? (
          <p>
            Everything that needs a person is sent to it.{" "}
            {waiting > 0 && `${plural(waiting, "message")} waiting. `}
            {failed > 0 && <span class="text-warn">{count(failed)} given up lately.</span>}
          </p>
        ) : (
          <p class="muted">
            Not configured. Set <code>UEE_WEBHOOK_URL</code> to receive a message about pauses, failures and
            stale sources.
          </p>
        )
      }
    </AnswerPanel>
  );
}

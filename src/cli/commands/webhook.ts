import { UeeError } from "../../core/errors.ts";
import { person } from "../arguments.ts";
import { command, jsonOption } from "../command.ts";
import type { Session } from "../context.ts";
import { printJson } from "../output.ts";

export const webhook = command({
  name: "webhook",
  summary: "try the webhook that is told what needs attention",
  description:
    "Services with UEE_WEBHOOK_URL tell its receiver when a source is paused, failed, incomplete, stale or not equal to its " +
    "feeds, and when it is well again (docs/webhook.md).",
  commands: [
    command({
      name: "test",
      description:
        "Sends a test message at once and says whether the receiver took it; exit code 1 where it did not. Needs no Redis.",
      options: jsonOption,
      examples: ["UEE_WEBHOOK_URL=https://hooks.slack.com/services/… uee webhook test"],
      async run(context, flags) {
        const [{ loadConfig }, { testWebhook }, { makeKeys }] = await Promise.all([
          import("../../config/index.ts"),
          import("../../session/webhook.ts"),
          import("../../redis/keys.ts"),
        ]);
        const { config } = loadConfig({ argvFlags: { ...flags }, env: context.env });
        const { webhookUrl: url, publicUrl, prefix } = config;
        if (url === undefined) throw new UeeError("SYS_CONFIG_INVALID", "UEE_WEBHOOK_URL is not set.");
        await testWebhook({ url, publicUrl, keys: makeKeys(prefix) }, person(context, undefined).actor);
        if (flags.json) printJson(context, { sent: true });
        else context.stdout.write("The receiver took the test message.\n");
      },
    }),
  ],
});

/** The webhook of a service; undefined where none is configured. It works until it is closed. */
export async function startWebhook(session: Session) {
  const { config, engine, redis: connections, logger } = session;
  if (config.webhookUrl === undefined) return undefined;
  const [{ Webhook }, { makeKeys }] = await Promise.all([
    import("../../session/webhook.ts"),
    import("../../redis/keys.ts"),
  ]);
  const { webhookUrl: url, publicUrl, waitScale, prefix } = config;
  const started = new Webhook({
    url,
    publicUrl,
    engine,
    connections,
    waitScale,
    logger,
    keys: makeKeys(prefix),
  });
  await started.start();
  return started;
}

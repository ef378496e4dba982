/** The workers of `uee up`: child processes under a supervisor. */
import type { Logger } from "../core/logger.ts";
import type { Engine } from "../engine/api.ts";
import { workerSpawner } from "../workers/supervision/childProcess.ts";
import { inWords, type SupervisionEvent, Supervisor } from "../workers/supervision/supervisor.ts";
import { plural } from "./render/numbers.ts";
import type { Style } from "./render/style.ts";
import type { Service } from "./services.ts";

export interface WorkersServiceOptions {
  count: number;
  script: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  engine: Pick<Engine, "workers" | "noteWorkerEnd">;
  logger: Logger;
  style: Style;
  /** The address that is shown. */
  say: (text: string) => void;
  /** Whether a user reads there what happens to workers; otherwise the log reports it. */
  terminal: boolean;
}

export function workersService(options: WorkersServiceOptions): Service {
  const { count, engine, style, say, terminal } = options;
  const supervisor = new Supervisor({
    count,
    spawn: workerSpawner(options),
    missedBeats: async () =>
      new Map((await engine.workers()).map(({ id, missedBeats }) => [id, missedBeats])),
    logger: terminal ? options.logger.child({}, { level: "silent" }) : options.logger,
    onEvent: (happened) => {
      if (terminal) say(forPeople(happened, style));
      if (happened.event === "worker_lost" && happened.worker !== null) {
        // Only for the text of a dead letter: the death of a process is detected without it.
        void engine.noteWorkerEnd(happened.worker, happened.how).catch(() => undefined);
      }
    },
  });
  const killNow = () => supervisor.kill();
  let gone = (): void => undefined;
  return {
    name: "workers",
    gone: new Promise((resolve) => {
      gone = resolve;
    }),
    async start() {
      process.once("exit", killNow);
      supervisor.start();
      say(
        `${style.bold("Workers")}  ${plural(count, "process", "processes")}: ${supervisor.pids.join(", ")}`,
      );
      void supervisor.gone().then(gone);
    },
    async stop(deadlineMs) {
      const { forced } = await supervisor.stop(deadlineMs);
      process.off("exit", killNow);
      return forced === 0 ? [] : [`${plural(forced, "worker")} did not stop and were killed`];
    },
  };
}

function forPeople(happened: SupervisionEvent, style: Style): string {
  const text = inWords(happened);
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  const good = happened.event === "worker_started" || happened.event === "worker_restarted";
  return good ? style.dim(sentence) : style.red(sentence);
}

/** Dead letters as people and scripts ask for them. */
import { UeeError } from "../core/errors.ts";
import type { DeadLetter, Engine } from "./api.ts";
import { contextOf, type EngineParts } from "./parts.ts";
import { deadLetters } from "./reads.ts";

export function makeDeadLetters(parts: EngineParts): Engine["deadLetters"] {
  return {
    async list({ provider, code, limit }) {
      const found: DeadLetter[] = [];
      for (const context of provider ? [contextOf(parts, provider)] : parts.contexts.values()) {
        for await (const letter of deadLetters(context)) {
          if (code && letter.code !== code) continue;
          if (found.length >= limit) return found;
          found.push(letter);
        }
      }
      return found;
    },
    async show(id) {
      for (const context of parts.contexts.values()) {
        for await (const letter of deadLetters(context)) {
          if (letter.id !== id && letter.jobId !== id) continue;
          return { letter, raw: letter.kind === "record" ? await context.badRecords.raw(letter.id) : null };
        }
      }
      throw new UeeError("API_NOT_FOUND", `There is no dead letter ${id}; see \`uee dlq list\`.`);
    },
    async count(provider) {
      const wanted = provider ? [contextOf(parts, provider)] : [...parts.contexts.values()];
      const counts = await Promise.all(wanted.map((context) => context.queue.counts()));
      return counts.reduce((sum, { failed }) => sum + failed, 0);
    },
  };
}

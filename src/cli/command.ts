/** A command as data: its texts, its options with their types, and the function that runs it. */
import { type Command, Option } from "commander";
import { UeeError } from "../core/errors.ts";
import type { Engine } from "../engine/api.ts";
import { mapRedisError } from "../redis/errors.ts";
import type { CliContext, GlobalFlags, Interrupts, Session, SessionRequest, StopSignal } from "./context.ts";
import { EXIT, exitOfSignal } from "./exits.ts";
import { printFailure, printJson } from "./output.ts";
import { type Style, styleFor, widthOf } from "./render/text.ts";

/** By commander's notation: `--limit <n>`; the value describes it. */
type OptionTexts = Readonly<Record<string, string | { text: string; choices: readonly string[] }>>;

type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;
type NameOf<Text extends string> = Text extends `--${infer Name} <${string}>`
  ? Camel<Name>
  : Text extends `--no-${infer Name}`
    ? Camel<Name>
    : Text extends `--${infer Name}`
      ? Camel<Name>
      : never;
type ValueOf<Text extends string> = Text extends `${string}...>`
  ? string[]
  : Text extends `${string}>`
    ? string
    : boolean;

/** What the command line says, by the names of the options: `{ limit?: string; failed?: boolean }`. */
export type FlagsOf<Options> = GlobalFlags & {
  [Text in keyof Options & string as NameOf<Text>]?: ValueOf<Text>;
};

// biome-ignore lint/suspicious/noConfusingVoidType: a command without an exit code of its own returns nothing
export type Ending = number | undefined | void;

export interface CommandSpec<Options extends OptionTexts = OptionTexts> {
  name: string;
  /** For the list of commands; default: the description. */
  summary?: string;
  /** `<providers>` stands for the names of all providers, here and in the arguments. */
  description: string;
  /** `{ "<provider>": "the provider" }` */
  arguments?: Readonly<Record<string, string>>;
  options?: Options;
  /** Shown above the examples. */
  note?: string;
  examples?: readonly string[];
  commands?: readonly CommandSpec[];
  /** Gets the words of all arguments in one list. Returns the exit code; without one it is 0. */
  run?(context: CliContext, flags: FlagsOf<Options>, words: string[]): Promise<Ending> | Ending;
}

/** Infers the flags of `run` from the options. */
export const command = <const Options extends OptionTexts>(spec: CommandSpec<Options>): CommandSpec =>
  spec as unknown as CommandSpec;

export const jsonOption = { "--json": "print one JSON document" } as const;
export const reasonOption = { "--reason <text>": "reason; `uee history` shows it" } as const;
export const limitOption = (usual: number) =>
  ({ "--limit <n>": `at most this many (default: ${usual})` }) as const;

/** Adds a command and its subcommands; `finish` gets the exit code. */
export function addCommand(
  parent: Command,
  spec: CommandSpec,
  context: CliContext,
  finish: (exitCode: number) => void,
): void {
  const added = parent.command(spec.name).description(spec.description);
  if (spec.summary !== undefined) added.summary(spec.summary);
  for (const [name, text] of Object.entries(spec.arguments ?? {})) added.argument(name, text);
  for (const [flags, about] of Object.entries(spec.options ?? {})) {
    if (typeof about === "string") added.addOption(new Option(flags, about));
    else added.addOption(new Option(flags, about.text).choices(about.choices));
  }
  const examples = (spec.examples ?? []).map((line) => `\n  $ ${line}`).join("");
  if (spec.note !== undefined) added.addHelpText("after", `\n${spec.note}`);
  if (examples !== "") added.addHelpText("after", `\nExamples:${examples}`);
  const { run } = spec;
  if (run !== undefined) {
    added.action(async () => {
      const words = added.processedArgs.flat().filter((word): word is string => word !== undefined);
      finish((await run(context, added.optsWithGlobals(), words)) ?? EXIT.done);
    });
  }
  for (const one of spec.commands ?? []) addCommand(added, one, context, finish);
}

/** Opens a session for one command and closes it, however the command ends. */
export async function withSession<Result>(
  context: CliContext,
  request: Omit<SessionRequest, "patience">,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await context.open({ patience: "command", ...request });
  try {
    return await work(session);
  } catch (error) {
    // Other errors from the engine come from Redis.
    throw mapRedisError(error);
  } finally {
    await session.close();
  }
}

/** Work that a signal ends: an error after the signal is the interruption, with the signal's exit code. */
export async function interruptible(
  context: CliContext,
  { json = false }: { json?: boolean },
  work: (interrupts: Interrupts) => Promise<Ending>,
): Promise<Ending> {
  const interrupts = context.interrupts();
  try {
    return await work(interrupts);
  } catch (error) {
    if (!interrupts.caught) throw error;
    printFailure(context, new UeeError("SYS_INTERRUPTED"), { json });
    return exitOfSignal(interrupts.caught);
  } finally {
    interrupts.release();
  }
}

/**
 * Work that a signal ends: `stop` fires at a signal, and when Redis is lost, which is an error. Resolves to the signal
 * that was caught.
 */
export async function untilStopped(
  context: CliContext,
  flags: GlobalFlags,
  work: (session: Session, stop: AbortSignal) => Promise<void>,
): Promise<StopSignal | undefined> {
  const interrupts = context.interrupts();
  try {
    return await withSession(context, { redis: "existing", flags }, async (session) => {
      const stop = AbortSignal.any([interrupts.signal, session.lost]);
      await work(session, stop).catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
      if (session.lost.aborted) throw session.lost.reason;
      return interrupts.caught;
    });
  } finally {
    interrupts.release();
  }
}

/** How a text is written: colours, columns, and the time that ages are relative to. */
export interface Look {
  style: Style;
  width: number;
  now: number;
}

export const lookOf = (context: CliContext): Look => ({
  style: styleFor(context.stdout, context.env),
  width: widthOf(context.stdout),
  now: context.now(),
});

/** Asks the mirror and prints the answer: with `--json` as one document, else as lines. */
export async function answer<Found>(
  context: CliContext,
  flags: GlobalFlags & { json?: boolean },
  ask: (engine: Engine) => Promise<Found>,
  toLines: (found: Found, look: Look) => readonly string[],
): Promise<Found> {
  return withSession(context, { redis: "existing", flags }, async ({ engine }) => {
    const found = await ask(engine);
    if (flags.json) printJson(context, found);
    else context.stdout.write(`${toLines(found, lookOf(context)).join("\n")}\n`);
    return found;
  });
}

import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UeeError } from "../../core/errors.ts";
import { formatBytes, formatCount } from "../../core/figures.ts";
import { parseProviders, person } from "../arguments.ts";
import { command, interruptible, jsonOption, lookOf, reasonOption, withSession } from "../command.ts";
import { exitOfRuns, exitOfSignal } from "../exits.ts";
import { invocation, printJson } from "../output.ts";
import { renderRunSummary } from "../render/runSummary.ts";
import { driveRuns, withProgress } from "../runDriver.ts";

const fileArgument = { "<file>": "the bundle" } as const;
const providerOption = { "--provider <names>": "only these providers, separated by commas" } as const;
const publicKeyOption = {
  "--public-key <file>": "accept only a bundle that this Ed25519 key (PEM) signed",
} as const;

const create = command({
  name: "create",
  summary: "write the mirror into one file",
  description:
    "Writes every record of every provider into one file (a tar of NDJSON), as they are while no run is open. Refused when a " +
    "provider was never verified complete. The file appears under its name when it is whole; - writes it to stdout.",
  arguments: fileArgument,
  options: {
    "--since <bundle>": "only what changed since this older bundle: a delta",
    ...providerOption,
    "--sign <file>": "sign it with this Ed25519 private key (PEM)",
    ...jsonOption,
  },
  examples: [
    "uee bundle create mirror.bundle",
    "uee bundle create monday.bundle --since sunday.bundle --sign key.pem",
    "uee bundle create - --provider cve,kev | ssh host 'cat > cve.bundle'",
  ],
  async run(context, { since, provider, sign, json = false, ...flags }, [file]) {
    const { Bundle, readKey } = await import("../../outlets/bundle/bundle.ts");
    const { createBundle } = await import("../../outlets/bundle/create.ts");
    // On stdout the file follows when it is whole.
    const folder = file === "-" ? await mkdtemp(join(tmpdir(), "uee-bundle-")) : undefined;
    const path = folder === undefined ? file! : join(folder, "bundle");
    const out = folder === undefined ? context.stdout : context.stderr;
    return interruptible(context, { json }, async ({ signal }) => {
      try {
        const key = sign === undefined ? undefined : await readKey(sign, "private");
        const older = since === undefined ? undefined : await Bundle.open(since);
        const providers = await parseProviders(context, provider?.split(",") ?? ["all"]);
        const created = await withSession(context, { redis: "existing", flags, signal }, ({ engine, lost }) =>
          createBundle({
            ...{ engine, path, providers, since: older, key },
            signal: AbortSignal.any([signal, lost]),
            onWaiting: (name, runId) =>
              context.stderr.write(`${name}: waits for the end of the run ${runId}.\n`),
          }),
        );
        if (folder !== undefined) await pipeline(createReadStream(path), context.stdout, { end: false });
        if (json && folder === undefined) return printJson(context, { file, ...created });
        for (const one of created.providers) {
          const gone = one.base ? `, ${formatCount(one.base.removed)} removed` : "";
          const what = one.base ? "new or changed" : "records";
          out.write(`${one.name}: ${formatCount(one.included)} ${what}${gone}\n`);
        }
        out.write(
          `${file === "-" ? "stdout" : file}: ${formatBytes(created.bytes)}, id ${created.id.slice(0, 16)}\n`,
        );
      } finally {
        if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      }
    });
  },
});

const verify = command({
  name: "verify",
  summary: "check a bundle, without a store",
  description:
    "Reads the whole file and checks its form, every digest, the counts, the digest over all records, and its signature.",
  arguments: fileArgument,
  options: { ...publicKeyOption, ...jsonOption },
  examples: ["uee bundle verify mirror.bundle --public-key public.pem"],
  async run(context, { publicKey, json = false }, [file]) {
    const opened = await openBundle(file!, publicKey);
    await opened.verify();
    const { id, signedBy, manifest } = opened;
    const { createdAt, uee, base, providers } = manifest;
    if (json) return printJson(context, { id, createdAt, uee, base: base ?? null, signedBy, providers });
    for (const { name, records, included, base: before, verifiedAt } of providers) {
      const delta = before ? `, of which the bundle holds ${formatCount(included)}` : "";
      context.stdout.write(`${name}: ${formatCount(records)} records${delta}, verified at ${verifiedAt}\n`);
    }
    const signature = signedBy === null ? "not signed" : `signed with the key ${signedBy}`;
    const trust = signedBy !== null && publicKey === undefined ? " (compare it, or give --public-key)" : "";
    context.stdout.write(
      `${base ? "delta" : "full bundle"} ${id.slice(0, 16)} is intact; ${signature}${trust}\n`,
    );
  },
});

const load = command({
  name: "load",
  summary: "bring the mirror to what a bundle holds",
  description:
    "Checks the whole file, then runs each of its providers with the records of the file: compared field by field, removals " +
    "included, with change entries, verified. Nothing is asked of any upstream. After any interruption the same command " +
    "continues. Without a live worker the work is done in this process.",
  arguments: fileArgument,
  options: {
    ...providerOption,
    ...publicKeyOption,
    "--older": "even if the store is newer: its records go back to those of the bundle",
    "--allow-shrink": "even if more than 5 % of a provider's records would be removed",
    ...reasonOption,
    ...jsonOption,
  },
  examples: ["uee bundle load mirror.bundle", "uee bundle load monday.bundle --public-key public.pem --json"],
  async run(context, { provider, publicKey, older = false, allowShrink = false, ...flags }, [file]) {
    const by = person(context, flags.reason);
    const opened = await openBundle(file!, publicKey);
    const held = opened.manifest.providers.map(({ name }) => name);
    const providers = provider ? await parseProviders(context, provider.split(",")) : held;
    const absent = providers.filter((name) => !held.includes(name));
    if (absent.length > 0) {
      throw new UeeError(
        "SYS_USAGE",
        `The bundle does not hold ${absent.join(", ")}; it holds ${held.join(", ")}.`,
      );
    }
    const { BundleLoad } = await import("../../outlets/bundle/load.ts");
    return withProgress(context, providers, { redis: "managed", flags }, async (driving) => {
      const { session, view, interrupts } = driving;
      const { engine, lost } = session;
      const loading = new BundleLoad({
        ...{ engine, bundle: opened, providers, say: view.log, ...by, older, allowShrink },
        signal: AbortSignal.any([interrupts.signal, lost]),
      });
      try {
        await loading.prepare();
        const { runs } = await driveRuns(session, providers, {
          ...{ mode: "full", wait: true, ...by, allowShrink, allowOlder: older },
          open: (name) => loading.open(name),
          interrupted: interrupts.signal,
          view,
        });
        view.stop();
        const look = { ...lookOf(context), uee: invocation(context) };
        if (flags.json) printJson(context, { bundle: opened.id, runs });
        else context.stdout.write(`\n${renderRunSummary(runs, look)}`);
        return interrupts.caught ? exitOfSignal(interrupts.caught) : exitOfRuns(runs);
      } finally {
        await loading.discard();
      }
    });
  },
});

export const bundle = command({
  name: "bundle",
  description: "The mirror as one file, for machines without internet.",
  commands: [create, load, verify],
});

async function openBundle(file: string, publicKey: string | undefined) {
  const { Bundle, readKey } = await import("../../outlets/bundle/bundle.ts");
  return await Bundle.open(file, publicKey === undefined ? undefined : await readKey(publicKey, "public"));
}

/**
 * Loads a bundle: a run for each of its providers, like any run, but with records that this process has staged from the file.
 * All of them are staged before the first run opens, so that a bundle that is refused for one provider changes nothing.
 */
import { isOlderEdition } from "../../core/edition.ts";
import { UeeError } from "../../core/errors.ts";
import { canonicalJson } from "../../core/json.ts";
import { parseTime } from "../../core/time.ts";
import type { Engine, OpenedRun, PersonRequest, PreparedRunHandle, VerifiedState } from "../../engine/api.ts";
import { type Bundle, type BundledProvider, type BundledRecord, digestOf } from "./bundle.ts";

export interface LoadOptions extends PersonRequest {
  engine: Engine;
  bundle: Bundle;
  /** Some of those in the bundle, or all. */
  providers: readonly string[];
  /** The store's records may be newer: the bundle's replace them. */
  older: boolean;
  allowShrink: boolean;
  signal: AbortSignal;
  say(line: string): void;
}

export class BundleLoad {
  readonly #options: LoadOptions;
  readonly #prepared = new Map<string, PreparedRunHandle>();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /**
   * Checks the file and the store, and stages everything.
   *
   * @throws UeeError VAL_BUNDLE, STOR_BUNDLE_OLDER, STOR_BUNDLE_BASE, PROV_UNKNOWN; nothing is changed then
   */
  async prepare(): Promise<void> {
    const { bundle, providers, engine, signal, say } = this.#options;
    for (const name of providers) {
      if (engine.providers.includes(name)) continue;
      throw new UeeError("PROV_UNKNOWN", `The bundle holds ${name}, which this UEE does not know.`);
    }
    for (const name of providers) {
      await this.#refuseOlder(bundle.provider(name)!, await engine.records.verified(name));
    }
    // @safeguard bundle-verified-first
    await bundle.verify(signal);
    try {
      for (const name of providers) {
        say(`${name}: staging ${bundle.provider(name)!.records} records.`);
        this.#prepared.set(name, await this.#prepareOne(name));
      }
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** Opens the provider's run, or joins the open one that loads the same bundle. */
  async open(name: string): Promise<OpenedRun> {
    for (;;) {
      const prepared = this.#prepared.get(name) ?? (await this.#prepareOne(name));
      this.#prepared.delete(name);
      // Where this fails, the run may be open all the same: what is staged stays, and expires unless it is.
      const opened = await prepared.open();
      if (opened) return opened;
      await prepared.discard();
    }
  }

  /** Drops what is staged for runs that were not opened. */
  async discard(): Promise<void> {
    for (const prepared of this.#prepared.values()) await prepared.discard().catch(() => undefined);
    this.#prepared.clear();
  }

  #prepareOne(name: string): Promise<PreparedRunHandle> {
    const { engine, bundle, older, allowShrink, actor, reason, signal, say } = this.#options;
    const of = bundle.provider(name)!;
    const { records, watermark, verifiedAt, edition } = of;
    const request = {
      ...{ provider: name, allowOlder: older, allowShrink, actor, reason },
      bundle: { id: bundle.id, records, watermark, verifiedAt, edition },
      note: `Loaded from the bundle ${bundle.id.slice(0, 16)} of ${bundle.manifest.createdAt}.`,
    };
    const onWaiting = (runId: string) => say(`${name}: the open run ${runId} ends first.`);
    return engine.prepareRun(request, () => this.#records(of), { signal, onWaiting });
  }

  /** All records that the provider has after the load. A delta is completed from the store. */
  async *#records(of: BundledProvider): AsyncGenerator<{ id: string; text: string }> {
    const { engine, bundle, signal } = this.#options;
    await this.#refuseOlder(of, await engine.records.verified(of.name));
    const wanted = bundle.records(of);
    let next = await wanted.next();
    if (of.base !== undefined) {
      for await (const record of engine.records.export(of.name, { allowPartial: true, signal })) {
        for (; !next.done && next.value.id < record.id; next = await wanted.next())
          yield brought(next.value, of);
        if (next.done || next.value.id !== record.id) continue;
        const text = next.value.text ?? canonicalJson(record.data);
        // @safeguard bundle-base
        if (digestOf(text) !== next.value.digest) throw otherBase(next.value, of);
        yield { id: record.id, text };
        next = await wanted.next();
      }
    }
    for (; !next.done; next = await wanted.next()) yield brought(next.value, of);
  }

  async #refuseOlder(of: BundledProvider, now: VerifiedState): Promise<void> {
    if (this.#options.older || now.verifiedAt === null) return;
    const said = whyOlder(of, now);
    // @safeguard bundle-older
    if (said) throw new UeeError("STOR_BUNDLE_OLDER", `${of.name}: ${said}.`);
  }
}

function brought({ id, text, digest }: BundledRecord, of: BundledProvider): { id: string; text: string } {
  if (text === undefined) throw otherBase({ id, digest }, of);
  return { id, text };
}

const otherBase = ({ id }: BundledRecord, { name }: BundledProvider): UeeError =>
  new UeeError("STOR_BUNDLE_BASE", `${name}: the store does not hold ${id} as the delta expects it.`);

function whyOlder(of: BundledProvider, now: VerifiedState): string | undefined {
  const earlier = (ours: string | null, theirs: string | null): boolean =>
    (parseTime(ours) ?? Number.POSITIVE_INFINITY) < (parseTime(theirs) ?? Number.NEGATIVE_INFINITY);
  if (earlier(of.watermark, now.watermark)) {
    return `the bundle is complete up to ${of.watermark}, the store up to ${now.watermark}`;
  }
  const how = { nowMs: Date.now(), sameSource: false };
  if (of.edition && now.edition && isOlderEdition(of.edition, now.edition, how)) {
    return "the store is verified at a newer edition";
  }
  if (earlier(of.verifiedAt, now.verifiedAt)) {
    return `the bundle's records were verified at ${of.verifiedAt}, the store's at ${now.verifiedAt}`;
  }
  return undefined;
}

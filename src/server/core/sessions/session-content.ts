/** The content of a session in the content store: documents, plan, chunks. */
import { CairnError, storageError } from '../../../base/errors.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import { DIGEST_LENGTH_BYTES, loadHasher } from '../../../manifest/digest.ts';
import type { Deletions } from '../../../manifest/deletions.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { StringList } from '../../../manifest/string-table.ts';
import type { SyncStatus } from '../../../wire/messages.ts';
import { DEFAULT_SYNC_MODE } from '../../../session/sync-mode.ts';
import type { ContentStore, StagingArea } from '../../../storage/content-store.ts';
import { policyOf, type GroupLimits } from '../../../transfer/group-commit.ts';
import { IncomingChunks } from './incoming-chunks.ts';
import type { MetadataKind } from '../../../manifest/metadata.ts';
import type { ModeWishes } from '../../../manifest/modes.ts';
import { bringsBytes } from '../../../session/pass-record.ts';
import type { MetadataPolicy } from '../metadata-policy.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { LiveRecord } from './live-record.ts';
import { OutgoingChunks } from './outgoing-chunks.ts';
import type { Logger } from '../../../base/logger.ts';
import type { ManifestLimits } from '../../../manifest/manifest-reader.ts';
import {
  findDeletions,
  loadDigests,
  loadIdentities,
  loadManifest,
  loadPlan,
  saveDigests,
} from './session-documents.ts';
import { SingleFlight } from './single-flight.ts';
import { createPlan, type TransferPlan } from './transfer-plan.ts';

/** How a push treats modes. The served root is never a target that the client has made. */
export function modesOf({ target, pass: { preserveModes, keepsTarget } }: SessionRecord): ModeWishes {
  return {
    preserve: preserveModes,
    keepsTarget: target === '' || (keepsTarget === true && preserveModes !== true),
  };
}

/** The parts that open the contents of one server's sessions. */
export interface ContentOptions {
  readonly content: ContentStore;
  readonly manifestLimits: ManifestLimits;
  readonly groupCommit: GroupLimits;
  readonly metadata: Pick<MetadataPolicy, 'agree'>;
  /** The shortest time between two saves of a pull's digests. */
  readonly saveDigestsEveryMs: number;
  readonly now: () => number;
  /** Called with the duration, in milliseconds, of each sync of the store. */
  readonly onSynced: (durationMs: number) => void;
  /** Called before the staging of a session is freed. */
  readonly onDiscard: (id: string) => void;
  /** Called for a session whose staging area could not be freed. */
  readonly onLeftover: (id: string) => void;
  readonly log: Logger;
}

/** The content of one session; each part is loaded when it is first needed. */
export class SessionContent {
  readonly area: SingleFlight<StagingArea>;
  readonly manifest: SingleFlight<Manifest>;
  /** The identities of a pull's source entries when they were scanned. */
  readonly identities: SingleFlight<StringList>;
  /** The agreed plan, or undefined before there is one. */
  readonly plan: SingleFlight<TransferPlan | undefined>;
  /** The chunks of a push. */
  readonly incoming: SingleFlight<IncomingChunks>;
  /** The chunks of a pull. */
  readonly outgoing: SingleFlight<OutgoingChunks>;
  readonly #options: ContentOptions;
  readonly #record: LiveRecord;

  constructor(options: ContentOptions, record: LiveRecord) {
    this.#options = options;
    this.#record = record;
    this.area = new SingleFlight(() => options.content.openStaging(record.value.id));
    this.manifest = new SingleFlight(() => this.#loadManifest());
    this.identities = new SingleFlight(async () => loadIdentities(await this.area.get()));
    this.plan = new SingleFlight(() => this.#loadPlan());
    this.incoming = new SingleFlight(() => this.#openIncoming());
    this.outgoing = new SingleFlight(() => this.#openOutgoing());
  }

  /** The agreed plan, if there is one by now. */
  async currentPlan(): Promise<TransferPlan | undefined> {
    const plan = await this.plan.get();
    // Another process may take the plan.
    if (plan === undefined) this.plan.forget();
    return plan;
  }

  /** The agreed plan. @throws CairnError `session-state` before there is one */
  async agreedPlan(): Promise<TransferPlan> {
    const plan = await this.currentPlan();
    if (plan === undefined) throw new CairnError('session-state', 'no plan was agreed yet');
    return plan;
  }

  /** The list of entries to delete with this id; undefined where it is damaged or gone. @throws CairnError storage codes */
  async deletionsOf(list: string): Promise<Deletions | undefined> {
    const { entries } = await this.manifest.get();
    const found = await findDeletions(await this.area.get(), entries, this.#options.manifestLimits, list);
    const fields = { session: this.#record.value.id, list };
    if (found === undefined) this.#options.log.error(fields, 'a list of deletions is damaged; none is made');
    return found;
  }

  /** A sync point. @throws CairnError a storage code; the session is then suspended */
  async sync(): Promise<SyncStatus> {
    if (!bringsBytes(this.#record.value.pass)) return this.#syncOutgoing();
    return this.#syncIncoming(await this.incoming.get());
  }

  /** Makes a sync point of the open chunks of a push, if they are open. @throws CairnError as {@link sync} does */
  async syncOpened(): Promise<void> {
    // Where opening failed there is nothing to sync, and the request that opened it got the error.
    const chunks = await this.incoming.peek()?.catch(() => undefined);
    if (chunks !== undefined && !chunks.failed) await this.#syncIncoming(chunks);
  }

  /**
   * Takes in a whole chunk of a push.
   *
   * @throws CairnError a storage code where its sync failed; the session is then suspended
   */
  async finishChunk(
    chunks: IncomingChunks,
    chunk: number,
    { digest, lengthBytes }: { readonly digest: Uint8Array; readonly lengthBytes: number },
  ): Promise<SyncStatus> {
    try {
      return await chunks.finished(chunk, digest, lengthBytes);
    } catch (error) {
      await this.giveUp(chunks, error);
      throw error;
    }
  }

  async #syncIncoming(chunks: IncomingChunks): Promise<SyncStatus> {
    try {
      return await chunks.sync();
    } catch (error) {
      await this.giveUp(chunks, error);
      throw error;
    }
  }

  /**
   * After a failed sync the staged bytes that are not durable are lost, and asking the same descriptor again proves
   * nothing. Suspends the session; a resume starts from the durable bytes.
   */
  async giveUp(chunks: IncomingChunks, error: unknown): Promise<void> {
    if (chunks.failed) return;
    chunks.failed = true;
    const { id, state } = this.#record.value;
    this.#options.log.error({ session: id, err: error }, 'a sync point failed; the session is suspended');
    // First of all, and also where the full disk takes no record: the next request of this epoch would open the
    // chunks again, number their sync points from the beginning, and call lost bytes durable.
    this.#record.disown();
    this.incoming.forget();
    await chunks.close();
    const { code: why } = storageError(error, 'making a sync point');
    if (state === 'open') await this.#record.change('suspend', { holder: null }, undefined, { why });
  }

  /** {@link giveUp} where no request waits for it. */
  async #giveUpAlone(chunks: IncomingChunks, error: unknown): Promise<void> {
    try {
      await this.giveUp(chunks, error);
    } catch (failure) {
      const { id } = this.#record.value;
      this.#options.log.error({ session: id, err: failure }, 'suspending a session failed');
    }
  }

  /** Closes the open chunks, on request after a sync point. Answers what is then durable of a push that was open. */
  async closeChunks({ sync }: { sync: boolean }): Promise<SyncStatus | undefined> {
    // Where opening failed there is nothing to close, and the request that opened it got the error.
    const chunks = await this.incoming.peek()?.catch(() => undefined);
    let status: SyncStatus | undefined;
    if (chunks !== undefined && !chunks.failed) {
      if (sync) status = await this.#syncIncoming(chunks);
      this.incoming.forget();
      await chunks.close();
    }
    const outgoing = await this.outgoing.take();
    if (outgoing !== undefined && sync) await this.#saveDigests(outgoing);
    return status;
  }

  /** Frees everything that the session has in the store; a failure is tried again later. @throws storage codes */
  async discard(): Promise<void> {
    this.#options.onDiscard(this.#record.value.id);
    try {
      await this.closeChunks({ sync: false });
      const area = await this.area.get();
      this.area.forget();
      this.manifest.forget();
      this.identities.forget();
      this.plan.forget();
      await area.discard();
    } catch (error) {
      this.#options.onLeftover(this.#record.value.id);
      throw error;
    }
  }

  async #syncOutgoing(): Promise<SyncStatus> {
    const chunks = await this.outgoing.get();
    const { now, saveDigestsEveryMs } = this.#options;
    if (now() - chunks.savedAtMs >= saveDigestsEveryMs) await this.#saveDigests(chunks);
    chunks.syncs += 1;
    return { syncPoint: chunks.syncs, durableSyncPoint: chunks.syncs };
  }

  /** Saves the digests of sent chunks, so that a restart need not read them again. */
  async #saveDigests(chunks: OutgoingChunks): Promise<void> {
    if (!chunks.dirty) return;
    chunks.dirty = false;
    chunks.savedAtMs = this.#options.now();
    await saveDigests(await this.area.get(), chunks.lastingDigests());
  }

  async #loadManifest(): Promise<Manifest> {
    if (this.#record.value.pass.manifestId !== null) {
      const manifest = await loadManifest(await this.area.get(), this.#options.manifestLimits);
      if (manifest !== undefined) return manifest;
    }
    throw new CairnError('manifest-missing', 'the session has no manifest yet');
  }

  async #loadPlan(): Promise<TransferPlan | undefined> {
    // The server saved a plan and crashed before it answered: another one may still come.
    if (this.#record.value.state === 'establishing') return undefined;
    const manifest = await this.manifest.get();
    const plan = await loadPlan(await this.area.get(), manifest);
    return plan === undefined ? undefined : createPlan(manifest, plan);
  }

  async #openIncoming(): Promise<IncomingChunks> {
    const { content, groupCommit, onSynced } = this.#options;
    const { target, pass } = this.#record.value;
    const { digest, sync = DEFAULT_SYNC_MODE, durableSyncPoint = 0 } = pass;
    const plan = await this.agreedPlan();
    const createHasher = await loadHasher(digest);
    const { manifest, layout, parts } = plan;
    const area = await this.area.get();
    const staging = await area.openChunks({
      manifest,
      layout,
      target,
      modes: modesOf(this.#record.value),
      allowedMetadata: this.#allowedMetadata(),
      assemblies: parts?.assemblies,
    });
    const { durability } = content.properties;
    const chunks: IncomingChunks = await IncomingChunks.open(staging, {
      plan,
      createHasher,
      durability,
      policy: policyOf(sync, groupCommit),
      durableSyncPoint,
      onSynced,
      onFailure: (error) => void this.#giveUpAlone(chunks, error),
    });
    return chunks;
  }

  /** What an operator allowed when the session began may be denied by now. */
  #allowedMetadata(): readonly MetadataKind[] {
    const { pass, authorization } = this.#record.value;
    const { metadata = [] } = pass;
    return this.#options.metadata.agree('push', metadata, authorization);
  }

  async #openOutgoing(): Promise<OutgoingChunks> {
    const { content } = this.#options;
    const { pass, target } = this.#record.value;
    const plan = await this.agreedPlan();
    const digests = await this.#loadDigests(plan);
    const identities = await this.identities.get();
    const createHasher = await loadHasher(pass.digest);
    return new OutgoingChunks({ content, target, plan, identities, createHasher, digests });
  }

  async #loadDigests({ layout }: TransferPlan): Promise<ChunkDigests> {
    const { id, pass } = this.#record.value;
    const length = DIGEST_LENGTH_BYTES[pass.digest];
    try {
      return await loadDigests(await this.area.get(), length, layout.chunkCount);
    } catch (error) {
      this.#options.log.warn(
        { session: id, err: error },
        'the saved digests of a pull cannot be used; its chunks are read and hashed again at the commit',
      );
      return new ChunkDigests(length);
    }
  }
}

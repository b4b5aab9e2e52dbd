/** Reads, checks and keeps the manifest of a push, within its room and quotas. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { createLayout } from '../../../manifest/layout.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { PassRecord } from '../../../session/pass-record.ts';
import { readTree, type Notice } from '../../../wire/tree-stream.ts';
import type { Limiter } from '../limiter.ts';
import type { CoreLimits } from '../core-limits.ts';
import { checkManifest, openUsage, type Usage } from '../quota/quota.ts';
import type { SessionWork } from './admission.ts';
import { saveManifest } from './session-documents.ts';
import type { StagingRoom } from './staging-room.ts';

/** A manifest reserves this much memory when it begins to come, and twice as much each time that it is used up. */
const FIRST_BYTES = 64 * 1024;

/** A manifest on its way. */
export interface ComingTree {
  /** Its length, where the sender says it. */
  readonly lengthBytes: number | undefined;
  /** Begins to read it. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** Aborted once its sender is gone. */
  readonly signal: AbortSignal;
}

/**
 * Reads a manifest and keeps it. Reserves room and quotas before reading, and gives them back where nothing is kept.
 * The caller makes sure that nothing else works on the session.
 *
 * @throws CairnError `manifest-too-large`, `manifest-invalid`, `quota-exceeded`, `server-busy`, `storage-full`,
 * `session-state`, `session-fenced`, storage codes
 */
export type TakeManifest = (work: SessionWork, coming: ComingTree) => Promise<Manifest>;

/** The parts that take manifests. */
export interface ManifestTakingOptions {
  readonly manifestLimiter: Limiter;
  readonly room: StagingRoom;
  readonly usage: Usage;
  readonly limits: Pick<CoreLimits, 'manifest' | 'maxEntriesPerPrincipal' | 'maxEntriesPerGrant'>;
  readonly log: Logger;
}

/** Makes the function that takes the manifests of one server. */
export function createTakeManifest(options: ManifestTakingOptions): TakeManifest {
  const { manifestLimiter, room, usage, limits, log } = options;
  return async (work, { lengthBytes, open, signal }) => {
    const { id, principal, authorization } = work.live.record.value;
    // Its notices about entries that the sender left out may be as long again.
    if ((lengthBytes ?? 0) > 2 * limits.manifest.maxBytes) throw tooLong(limits.manifest.maxBytes);
    const roomBefore = room.of(id);
    const check = (manifestBytes: number, entries: number): void => {
      if (authorization === undefined) return;
      checkManifest(usage, { authorization, session: id }, { manifestBytes, entries }, limits);
    };
    const cost = Math.min(lengthBytes ?? Infinity, FIRST_BYTES);
    return manifestLimiter({ principal, signal, cost }, async (grow) => {
      await openUsage(usage);
      try {
        check(lengthBytes ?? 0, 0);
        await room.takeDocuments(id, lengthBytes ?? 0, work.live.record.value.pass);
        let mayHoldBytes = cost;
        const body = counted(open(), async (bytes) => {
          room.grow(id, bytes);
          if (bytes <= mayHoldBytes) return;
          mayHoldBytes = Math.max(bytes, 2 * mayHoldBytes);
          // The sender may not have said its length.
          check(Math.max(bytes, lengthBytes ?? 0), 0);
          await grow(mayHoldBytes);
        });
        const tree = await readTree(body, limits.manifest);
        const { encodedBytes, entries } = tree.manifest;
        check(Math.max(lengthBytes ?? 0, encodedBytes), entries.length);
        await keepManifest(work, tree, room.of(id));
        log.info({ session: id, entries: entries.length, notices: tree.notices.length }, 'manifest received');
        return tree.manifest;
      } catch (error) {
        usage.tally.release(id);
        room.shrink(id, roomBefore);
        throw error;
      }
    });
  };
}

function tooLong(maxBytes: number): CairnError {
  const message = `the manifest of the tree has more than ${maxBytes} bytes; split the tree into several transfers`;
  return new CairnError('manifest-too-large', message);
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (sum: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const piece of source) {
    sum += piece.byteLength;
    await onBytes(sum);
    yield piece;
  }
}

async function keepManifest(
  { live, epoch }: SessionWork,
  { manifest, notices }: { manifest: Manifest; notices: Notice[] },
  manifestBytes: number,
): Promise<void> {
  const { manifestId } = live.record.value.pass;
  const area = await live.content.area.get();
  if (manifestId === manifest.id && (await area.load('manifest')) !== undefined) return;
  if (manifestId !== null && manifestId !== manifest.id) {
    throw new CairnError('session-state', 'the session has another manifest; start a new one for this');
  }
  checkAgreed(live.record.value.pass, manifest);
  createLayout(manifest); // refuses sizes that no transfer can have
  live.record.checkEpoch(epoch);
  await saveManifest(area, manifest, notices);
  await live.record.change(
    'prepare',
    { pass: { manifestId: manifest.id, manifestBytes, entries: manifest.entries.length } },
    epoch,
  );
  live.content.manifest.set(manifest);
}

function checkAgreed(pass: PassRecord, manifest: Manifest): void {
  const { metadata = [] } = manifest;
  const { metadata: agreed = [] } = pass;
  if (metadata.join(' ') !== agreed.join(' ')) {
    const message = `the manifest carries the metadata "${metadata.join(' ')}", but "${agreed.join(' ')}" was agreed`;
    throw new CairnError('manifest-invalid', message);
  }
  if (manifest.chunkSizeBytes === pass.chunkSizeBytes && manifest.digest === pass.digest) return;
  throw new CairnError(
    'manifest-invalid',
    `the manifest has chunks of ${manifest.chunkSizeBytes} bytes with ${manifest.digest}, but ${pass.chunkSizeBytes} bytes with ${pass.digest} were agreed`,
  );
}

/** Scans the source of a pull once, and keeps its manifest. */
import type { Logger } from '../../../base/logger.ts';
import type { ManifestParameters } from '../../../manifest/manifest.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { Limiter } from '../limiter.ts';
import type { CoreLimits } from '../core-limits.ts';
import { announcementOf } from '../quota/announcements.ts';
import { checkEntries, openUsage, type Usage } from '../quota/quota.ts';
import { scanTree, type ScannedTree } from '../scan-tree.ts';
import type { SessionWork } from './admission.ts';
import { saveIdentities, saveManifest } from './session-documents.ts';
import type { StagingRoom } from './staging-room.ts';

/** The listener of a scan. */
export interface ScanListener {
  /** Aborted once no request waits for a scan that has not begun. */
  readonly signal: AbortSignal;
  /** Takes the lines of the tree as they come, all but the last ones. */
  readonly onLines: (lines: string) => Promise<void>;
}

/**
 * Scans the source of a session and keeps its manifest. The caller makes sure that nothing else works on the session.
 *
 * @throws CairnError `server-busy`, `manifest-too-large`, `quota-exceeded`, `storage-full`, `session-fenced`; errors
 * of the scan and of `onLines`
 */
export type ScanSource = (work: SessionWork, listener: ScanListener) => Promise<ScannedTree>;

/** The parts that scan sources. */
export interface SourceScanOptions {
  readonly content: ContentStore;
  readonly scanLimiter: Limiter;
  readonly usage: Usage;
  readonly room: Pick<StagingRoom, 'takeDocuments'>;
  readonly limits: Pick<CoreLimits, 'manifest' | 'maxEntriesPerPrincipal' | 'maxEntriesPerGrant'>;
  readonly log: Logger;
}

/** Makes the function that scans the sources of one server. */
export function createScanSource(options: SourceScanOptions): ScanSource {
  const { content, scanLimiter, usage, room, limits, log } = options;
  return async ({ live, epoch }, { signal, onLines }) => {
    const { id, principal, target, authorization, pass } = live.record.value;
    const { chunkSizeBytes, digest, metadata } = pass;
    const parameters: ManifestParameters = { chunkSizeBytes, digest, metadata };
    const query = { path: target, parameters, maxEntries: limits.manifest.maxEntries };
    const tree = await scanLimiter({ principal, signal }, () =>
      scanTree(content, query, { keep: true, onLines }),
    );
    const { manifest } = tree;
    const { length: entries } = manifest.entries;
    const uncarried = tree.uncarried.size === 0 ? {} : { uncarried: Object.fromEntries(tree.uncarried) };
    const manifestBytes = manifest.encodedBytes;
    await openUsage(usage, announcementOf(live.record.value, { manifestBytes, entries }));
    if (authorization !== undefined) checkEntries(usage, { authorization, session: id }, entries, limits);
    await room.takeDocuments(id, manifestBytes, pass);
    const area = await live.content.area.get();
    await saveIdentities(area, tree.identities);
    await saveManifest(area, manifest, tree.notices);
    // The end of the tree is sent after this, so a client that has seen it can count on the manifest.
    const about = { manifestId: manifest.id, manifestBytes, entries, ...uncarried };
    await live.record.change('prepare', { pass: about }, epoch);
    live.content.manifest.set(manifest);
    live.content.identities.set(tree.identities);
    log.info({ session: id, entries, notices: tree.notices.length }, 'source scanned');
    return tree;
  };
}

/** Reads, checks and keeps the manifest of a push, within its room and quotas. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { createLayout } from '../../../manifest/layout.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { PassRecord } from '../../../session/pass-record.ts';
import type { ManifestLimits } from '../../../manifest/manifest-reader.ts';
import { readTree, type Notice } from '../../../wire/tree-stream.ts';
import type { SessionWork } from './admission.ts';
import { type ComingDocument, NOTHING_BEFORE, type TakeDocument } from './document-taking.ts';
import { saveManifest } from './session-documents.ts';

/**
 * Reads a manifest and keeps it. Called with nothing else at work on the session.
 *
 * @throws CairnError `manifest-too-large`, `manifest-invalid`, `session-state`, `session-fenced`; like {@link TakeDocument}
 */
export type TakeManifest = (work: SessionWork, coming: ComingDocument) => Promise<Manifest>;

/** Makes what takes the manifests of one server. */
export function createTakeManifest(
  takeDocument: TakeDocument,
  limits: ManifestLimits,
  log: Logger,
): TakeManifest {
  return (work, coming) => {
    // As long again may be what its sender had to leave out.
    if ((coming.lengthBytes ?? 0) > 2 * limits.maxBytes) throw tooLong(limits.maxBytes);
    return takeDocument(work, coming, NOTHING_BEFORE, async (body) => {
      const tree = await readTree(body, limits);
      const { encodedBytes, entries } = tree.manifest;
      const keep = async (manifestBytes: number): Promise<Manifest> => {
        await keepManifest(work, tree, manifestBytes);
        const fields = { session: work.live.id, entries: entries.length, notices: tree.notices.length };
        log.info(fields, 'manifest received');
        return tree.manifest;
      };
      return { encodedBytes, entries: entries.length, keep };
    });
  };
}

function tooLong(maxBytes: number): CairnError {
  const message = `the manifest of the tree has more than ${maxBytes} bytes; split the tree into several transfers`;
  return new CairnError('manifest-too-large', message);
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

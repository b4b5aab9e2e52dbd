/** The list of what a push is to delete is read, checked and kept beside its manifest. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { readDeletions, type Deletions } from '../../../manifest/deletions.ts';
import type { ManifestLimits } from '../../../manifest/manifest-reader.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { mayDelete } from '../../../session/authorization.ts';
import type { SessionWork } from './admission.ts';
import type { ComingDocument, TakeDocument } from './document-taking.ts';
import { saveDeletions } from './session-documents.ts';
import type { StagingRoom } from './staging-room.ts';

/**
 * Reads the list of a session and keeps it, in place of an earlier one. Called with nothing else at work on the session.
 *
 * @throws CairnError `forbidden`, `manifest-invalid`, `manifest-too-large`, path codes, `session-fenced`; like
 * {@link TakeDocument}
 */
export type TakeDeletions = (work: SessionWork, coming: ComingDocument) => Promise<Deletions>;

/** What lists are taken with. */
export interface DeletionsTakingOptions {
  readonly takeDocument: TakeDocument;
  readonly room: Pick<StagingRoom, 'of'>;
  readonly limits: ManifestLimits;
  readonly log: Logger;
}

/** Makes what takes the lists of deletions of one server. */
export function createTakeDeletions({
  takeDocument,
  room,
  limits,
  log,
}: DeletionsTakingOptions): TakeDeletions {
  return async (work, coming) => {
    const { live, epoch } = work;
    const { id, pass } = live.record.value;
    const { manifestBytes = 0, entries = 0, deletions: earlier } = pass;
    checkMayDelete(live.record.value);
    const { entries: wanted } = await live.content.manifest.get();
    // The new list takes the place of an earlier one.
    const before = {
      roomBytes: room.of(id) - (earlier?.bytes ?? 0),
      manifestBytes: manifestBytes - (earlier?.bytes ?? 0),
      entries: entries - (earlier?.entries ?? 0),
    };
    return takeDocument(work, coming, before, async (body) => {
      const deletions = await readDeletions(body, wanted, limits);
      const keep = async (bytes: number): Promise<Deletions> => {
        live.record.checkEpoch(epoch);
        await saveDeletions(await live.content.area.get(), deletions);
        const { length } = deletions.entries;
        const changes = {
          deletions: { id: deletions.id, entries: length, bytes },
          manifestBytes: before.manifestBytes + bytes,
          entries: before.entries + length,
        };
        await live.record.change('prepare', { pass: changes }, epoch);
        log.info({ session: id, entries: length, deletions: deletions.id }, 'deletions received');
        return deletions;
      };
      return { encodedBytes: deletions.encodedBytes, entries: deletions.entries.length, keep };
    });
  };
}

/**
 * Refuses a session that may not delete: what is there has to be known, and may be replaced.
 *
 * @throws CairnError `forbidden`
 */
export function checkMayDelete({ authorization }: Pick<SessionRecord, 'authorization'>): void {
  if (authorization !== undefined && mayDelete(authorization)) return;
  const { scopes = [], issuer } = authorization ?? {};
  const has = issuer === undefined ? `it has: ${scopes.join(', ') || 'none'}` : 'this is a transfer grant';
  const message = `--delete needs an access token with the scope "write", and "list" or "read" to see what is there; ${has}`;
  throw new CairnError('forbidden', message);
}

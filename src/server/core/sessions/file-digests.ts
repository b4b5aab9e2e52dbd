/** Reads and hashes files of a session, so that its client learns which are the same. */
import { joinPath } from '../../../base/safe-path.ts';
import { fileDigester, loadHasher } from '../../../manifest/digest.ts';
import type { Identity } from '../../../manifest/entry.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { sourceCodeOf } from '../../../transfer/excluded-entries.ts';
import type { LiveSession } from './live-session.ts';

/** The digest of one entry as it is now; null where it is no readable file. Calls `tick` now and then meanwhile. */
export type FileDigest = (index: number, tick: () => Promise<void>) => Promise<string | null>;

/** The source of the files, and the listener for a file that could not be hashed. */
export interface DigestSource {
  readonly content: Pick<ContentStore, 'lookup' | 'read'>;
  readonly onFailure: (index: number, error: unknown) => void;
}

/**
 * Makes the function that hashes the files of a session's manifest: of a pull as they were scanned, of a push as they
 * are.
 *
 * @throws CairnError `manifest-missing`, storage codes
 */
export async function openFileDigests(
  { content, onFailure }: DigestSource,
  live: LiveSession,
): Promise<FileDigest> {
  const { pass, target } = live.record.value;
  const { entries, chunkSizeBytes, digest } = await live.content.manifest.get();
  const createHasher = await loadHasher(digest);
  const identities = pass.direction === 'pull' ? await live.content.identities.get() : undefined;

  const find = async (
    index: number,
  ): Promise<{ sizeBytes: number; identity: Identity | undefined } | undefined> => {
    const entry = entries.at(index)!;
    if (identities !== undefined) {
      return entry.type === 'file'
        ? { sizeBytes: entry.sizeBytes, identity: identities.at(index) }
        : undefined;
    }
    const [there] = await content.lookup([joinPath(target, entry.path)]);
    if (there?.entry.type !== 'file') return undefined;
    return { sizeBytes: there.entry.sizeBytes, identity: there.identity };
  };

  return async (index, tick) => {
    try {
      const found = await find(index);
      if (found === undefined) return null;
      const digester = fileDigester(createHasher, chunkSizeBytes);
      const range = { from: 0, to: found.sizeBytes };
      const path = joinPath(target, entries.pathOf(index));
      for await (const piece of content.read(path, range, found.identity)) {
        digester.update(piece);
        await tick();
      }
      return digester.digest();
    } catch (error) {
      // The client learns that there is no digest; only an error that says nothing about the file fails the request.
      if (sourceCodeOf(error) === undefined) throw error;
      onFailure(index, error);
      return null;
    }
  };
}

/** The two versions of the changed files of a pull: the newer ones are at the server, the older ones here. */
import type { Manifest } from '../../manifest/manifest.ts';
import { mayHaveParts } from '../../manifest/parts-document.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { Versions } from '../transfer/changed-parts.ts';
import type { LocalFile } from '../transfer/comparing.ts';
import { localCuts, remoteCuts, type LocalFiles } from '../transfer/version-cuts.ts';

/** Makes what opens them; `pathOf` is the path of an entry at the destination. */
export function pullVersions(
  signal: AbortSignal,
  session: SessionClient,
  { digest, entries }: Manifest,
  destination: { readonly store: ContentStore; readonly pathOf: (entryIndex: number) => string },
): () => Promise<Versions> {
  return async () => ({
    newer: remoteCuts({ session, digest, sizeOf: (index) => entries.sizeOf(index) }),
    older: await localCuts({ digest, signal, areNewer: false, find: foundOnce(destination) }),
  });
}

/** Finds old files; blocks and grains of a file are those of one version of it. */
function foundOnce({ store, pathOf }: Parameters<typeof pullVersions>[3]): LocalFiles['find'] {
  const files = new Map<number, LocalFile & { readonly sizeBytes: number }>();
  return async (index) => {
    const before = files.get(index);
    if (before !== undefined) return before;
    const path = pathOf(index);
    const [found] = await store.lookup([path]);
    if (found?.entry.type !== 'file' || !mayHaveParts(found.entry.sizeBytes)) return undefined;
    const file = { store, path, identity: found.identity, sizeBytes: found.entry.sizeBytes };
    files.set(index, file);
    return file;
  };
}

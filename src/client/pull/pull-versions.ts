/** The two versions of the changed files of a pull: the newer ones are at the server, the older ones here. */
import type { Manifest } from '../../manifest/manifest.ts';
import { mayHaveParts } from '../../manifest/parts-document.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { KeptCuts } from '../../storage/state/kept-cuts.ts';
import { keepCutsToCome } from '../../storage/state/published-cuts.ts';
import type { SessionClient } from '../session/session-client.ts';
import { keptCutsOf } from '../state/kept-cuts-of.ts';
import type { TransferTask } from '../transfer/transfer-task.ts';
import type { Versions } from '../transfer/changed-parts.ts';
import { createCutGuides } from '../transfer/cut-guides.ts';
import {
  localCuts,
  remoteCuts,
  type FoundFile,
  type LocalFiles,
  type VersionCuts,
} from '../transfer/version-cuts.ts';

/** Makes what opens them; `pathOf` is the path of an entry at the destination. */
export function pullVersions(
  { context, options }: Pick<TransferTask, 'context' | 'options'>,
  session: SessionClient,
  { digest, entries }: Manifest,
  destination: { readonly store: ContentStore; readonly pathOf: (entryIndex: number) => string },
): () => Promise<Versions> {
  const { signal } = context;
  const kept = keptCutsOf(options);
  const sizeOf = (index: number): number => entries.sizeOf(index);
  const guides = createCutGuides(digest, sizeOf);
  return async () => ({
    newer: keepingCuts(remoteCuts({ session, digest, sizeOf, guides }), kept, { digest }),
    older: await localCuts({ digest, signal, areNewer: false, kept, guides, find: foundOnce(destination) }),
  });
}

/** Finds old files; blocks and grains of a file are those of one version of it. */
function foundOnce({ store, pathOf }: Parameters<typeof pullVersions>[3]): LocalFiles['find'] {
  const files = new Map<number, FoundFile>();
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

/** Keeps what the server tells of files to come. */
export function keepingCuts(
  newer: VersionCuts,
  kept: KeptCuts,
  digest: Pick<Manifest, 'digest'>,
): VersionCuts {
  return {
    ...newer,
    blocksOf: async (entries) => {
      const all = await newer.blocksOf(entries);
      for (const cuts of all.values()) await keepCutsToCome(kept, digest, cuts);
      return all;
    },
  };
}

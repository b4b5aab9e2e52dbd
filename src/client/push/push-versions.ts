/** The two versions of the changed files of a push: the newer ones are here, the older ones at the server. */
import type { Manifest } from '../../manifest/manifest.ts';
import type { SessionClient } from '../session/session-client.ts';
import { keptCutsOf } from '../state/kept-cuts-of.ts';
import type { TransferTask } from '../transfer/transfer-task.ts';
import type { Versions } from '../transfer/changed-parts.ts';
import type { LocalFile } from '../transfer/comparing.ts';
import { createCutGuides } from '../transfer/cut-guides.ts';
import { localCuts, remoteCuts } from '../transfer/version-cuts.ts';

/** Makes what opens them; `locate` finds the sources by entry. */
export function pushVersions(
  { context, options }: Pick<TransferTask, 'context' | 'options'>,
  session: SessionClient,
  { digest, entries }: Manifest,
  locate: (entryIndex: number) => LocalFile,
): () => Promise<Versions> {
  const guides = createCutGuides(digest);
  return async () => ({
    newer: await localCuts({
      digest,
      signal: context.signal,
      areNewer: true,
      kept: keptCutsOf(options),
      guides,
      find: async (index) => ({ ...locate(index), sizeBytes: entries.sizeOf(index) }),
    }),
    older: remoteCuts({ session, digest, guides }),
  });
}

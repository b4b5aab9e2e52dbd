/**
 * Compares the manifest of a push with its target before anything is sent, as far as the client may know the target.
 */
import type { Manifest } from '../../../manifest/manifest.ts';
import type { Comparison } from '../../../wire/messages.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf, mayCompare, mayHash, type Existing } from '../../../session/scopes.ts';
import { takesParts } from './taking-parts.ts';
import { compareWithTarget } from '../../../transfer/compare.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { modesOf } from './session-content.ts';

/**
 * The entries of a manifest that are already there, as far as the session's token may know: otherwise none.
 *
 * @throws CairnError `destination-exists`; errors of {@link compareWithTarget}
 */
export async function compareTarget(
  content: ContentStore,
  record: SessionRecord,
  manifest: Manifest,
  mayReplace: boolean,
): Promise<Comparison> {
  const { target, authorization } = record;
  const { scopes = [] } = authorization ?? {};
  const existing = existingOf(scopes);
  const isForced = mayReplace && existing === 'replaced';
  if (!mayCompare(scopes)) {
    if (!isForced) await refuseTaken(content, target, { manifest, existing });
    return { have: [], attributes: [], candidates: [] };
  }
  const comparison = await compareWithTarget(content, target, manifest, {
    mayReplace: isForced,
    modes: modesOf(record),
  });
  return {
    have: comparison.have,
    attributes: existing === 'replaced' ? comparison.attributes : [],
    candidates: mayHash(scopes) ? comparison.candidates : [],
    ...(takesParts(content.properties, record) && comparison.older !== undefined
      ? { older: comparison.older }
      : {}),
  };
}

/**
 * Refuses a target with something in the way, in the words of the commit, which could refuse it only after everything
 * was sent. A drop box takes everything.
 *
 * @throws CairnError `destination-exists`
 */
async function refuseTaken(
  content: ContentStore,
  target: string,
  { manifest, existing }: { manifest: Manifest; existing: Existing | undefined },
): Promise<void> {
  const first = manifest.entries.at(0);
  if (first?.path !== '' || existing === 'renamed') return;
  const [found] = await content.lookup([target], () => undefined);
  if (found === undefined) return;
  const isDirectory = first.type === 'directory';
  if (isDirectory !== (found.entry.type === 'directory') || (existing === 'kept' && !isDirectory))
    throw destinationExists(target);
}

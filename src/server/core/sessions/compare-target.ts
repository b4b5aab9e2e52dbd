/** What a push may learn of its target before it sends anything. */
import type { Manifest } from '../../../manifest/manifest.ts';
import type { Comparison } from '../../../wire/messages.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf, mayCompare, mayHash, type Existing } from '../../../session/scopes.ts';
import { compareWithTarget } from '../../../transfer/compare.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { modesOf } from './session-content.ts';

/**
 * What there is of a manifest, as far as the session's token may know: else everything comes.
 *
 * @throws CairnError `destination-exists`; what {@link compareWithTarget} throws
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
  };
}

/**
 * Refuses what could only be refused at the commit, after all of it was sent, and in the same words: a target of which
 * something is in the way. Into a drop box everything goes.
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

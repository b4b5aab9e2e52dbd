/**
 * Publishing: new directories with all that is in them, then the other directories, then files, which are complete and
 * durable before they are renamed into place; then removals, and at the end the modes and times of directories, the
 * deepest first. Every step can be repeated, so a call after a crash finishes the earlier one.
 */
import { CairnError } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { assembleFiles } from './assemble-files.ts';
import { syncBackup } from './backup.ts';
import {
  beginPublication,
  endPublication,
  syncPublished,
  type Publication,
  type PublishJob,
} from './publication.ts';
import { setAttributes } from './publish-attributes.ts';
import {
  finishDirectories,
  makeDirectories,
  openParents,
  restoreModes,
  syncTouched,
} from './publish-directories.ts';
import { publishDeferred, publishFiles } from './publish-files.ts';
import { publishLinks } from './publish-links.ts';
import { beginTrees, endTrees, publishTrees } from './publish-new-trees.ts';
import { removeListed } from './remove-listed.ts';
import { refuseConflicts } from './replace-type.ts';

/**
 * Publishes a tree from its staged chunks.
 *
 * @throws CairnError `chunks-missing` before any change; storage codes. For the first entry, and for every entry where
 * the order has no `onRefused`: `is-directory` before any change, `not-directory`, `symlink-refused`
 */
export async function publishTree(job: PublishJob): Promise<void> {
  const publication = beginPublication(job);
  try {
    checkChunks(publication);
    await checkTakenOver(publication);
    await refuseConflicts(publication);
    await assembleFiles(publication);
    try {
      await placeEntries(publication);
    } catch (error) {
      await restoreAfter(publication);
      throw error;
    }
    restoreModes(publication);
    await syncPublished(publication);
    job.order.onUnkept?.(job.metadata?.unkept.list() ?? []);
    job.order.onProgress?.(job.transfer.manifest.entries.length);
  } finally {
    endPublication(publication);
  }
}

async function placeEntries(publication: Publication): Promise<void> {
  openParents(publication);
  await beginTrees(publication);
  await makeDirectories(publication);
  await publishTrees(publication);
  if (publication.whole.isAnyTakenApart) await makeDirectories(publication);
  await publishFiles(publication);
  await publishLinks(publication);
  await setAttributes(publication);
  await removeListed(publication);
  await publishDeferred(publication);
  syncBackup(publication.backup);
  await syncTouched(publication);
  publication.refused.checkSomeLeft();
  await finishDirectories(publication);
}

/** Restores the modes of existing directories, and what is staged, after publishing has failed. */
async function restoreAfter(publication: Publication): Promise<void> {
  try {
    restoreModes(publication);
    await endTrees(publication);
  } catch {
    // The caller gets the error that ended the publishing, which matters more.
  }
}

/** Refuses to begin while a chunk is missing, unless it carries only excluded entries. */
function checkChunks(publication: Publication): void {
  const { layout, digests } = publication;
  const missing = new ChunkSet();
  for (let from = 0; ; from += 1) {
    from = digests.chunks.firstMissing(from, layout.chunkCount);
    if (from >= layout.chunkCount) break;
    if (!isUnneeded(publication, from)) missing.add(from);
  }
  if (missing.size === 0) return;
  const runs = missing.runs();
  throw new CairnError('chunks-missing', `chunk ${runs[0]} is not staged, or not durable`, {
    details: { chunk: runs[0]!, runs },
  });
}

/** Whether a chunk carries only excluded entries. */
function isUnneeded({ layout, order }: Publication, chunk: number): boolean {
  return layout.carriesOnly(chunk, (entryIndex) => order.isExcluded(entryIndex));
}

/** Refuses to begin while staged bytes of an earlier opening differ from the journal's digests. */
async function checkTakenOver(publication: Publication): Promise<void> {
  const wrong = await publication.takenOver.forgetWrong(publication, (chunk) =>
    isUnneeded(publication, chunk),
  );
  if (wrong.length === 0) return;
  const set = new ChunkSet();
  for (const chunk of wrong) set.add(chunk);
  throw new CairnError(
    'chunks-missing',
    `${wrong.length} staged chunks are gone or damaged, the first is ${wrong[0]}`,
    { details: { runs: set.runs() } },
  );
}

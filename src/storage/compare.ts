/** What a receiver already has of a manifest, and what stands in its way. */
import { CairnError } from '../base/errors.ts';
import { joinPath, printable } from '../base/safe-path.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { Entry, ScannedEntry } from '../manifest/entry.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Comparison } from '../protocol/messages.ts';
import type { ContentStore } from './content-store.ts';

const BATCH_ENTRIES = 1000;

/**
 * Compares a manifest with what is at `target`: same type, size, mtime and link target means the bytes are there
 * (`--checksum` then looks closer). A mode that differs is only an attribute. `candidates` are files of the same size
 * with another mtime, which only their digest can tell.
 *
 * @throws CairnError `is-directory`, `not-directory`, `symlink-refused` where something of another type is in the way
 */
export async function compareWithTarget(
  store: ContentStore,
  target: string,
  manifest: Manifest,
): Promise<Comparison> {
  const have = new ChunkSet();
  const attributes = new ChunkSet();
  const candidates = new ChunkSet();
  for (let from = 0; from < manifest.entries.length; from += BATCH_ENTRIES) {
    const batch = manifest.entries.slice(from, from + BATCH_ENTRIES);
    const there = await store.lookup(batch.map((entry) => joinPath(target, entry.path)));
    for (const [position, entry] of batch.entries()) {
      const found = there[position];
      if (found === undefined) continue;
      const index = from + position;
      refuseConflict(entry, found, joinPath(target, entry.path));
      const same = compareEntry(entry, found.entry, store.properties.mtimeResolutionNs);
      if (same === 'candidate') candidates.add(index);
      if (same === 'same' || same === 'attributes') have.add(index);
      if (same === 'attributes') attributes.add(index);
    }
  }
  return { have: have.runs(), attributes: attributes.runs(), candidates: candidates.runs() };
}

/** How an entry compares with what is there in its place. */
export function compareEntry(
  wanted: Entry,
  found: Entry,
  mtimeResolutionNs: bigint,
): 'same' | 'attributes' | 'candidate' | 'different' {
  if (wanted.type !== found.type) return 'different';
  const sameTime = absolute(wanted.mtimeNs - found.mtimeNs) < mtimeResolutionNs;
  const sameAttributes = wanted.mode === found.mode && sameTime;
  switch (wanted.type) {
    case 'directory':
      return sameAttributes ? 'same' : 'attributes';
    case 'symlink':
      if (wanted.linkTarget !== found.linkTarget) return 'different';
      return sameTime ? 'same' : 'attributes';
    case 'file':
      if (wanted.sizeBytes !== found.sizeBytes) return 'different';
      if (!sameTime) return 'candidate';
      return wanted.mode === found.mode ? 'same' : 'attributes';
    default:
      return 'different';
  }
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function refuseConflict(wanted: Entry, found: ScannedEntry, path: string): void {
  const there = found.entry.type;
  if (wanted.type === 'directory' && there !== 'directory') {
    throw new CairnError(
      'not-directory',
      `the transfer has a directory where the target has a ${there}: ${printable(path)}; move it away or choose another target`,
      {
        details: { path, wanted: wanted.type, there },
      },
    );
  }
  if (wanted.type !== 'directory' && there === 'directory') {
    throw new CairnError(
      'is-directory',
      `the transfer has a ${wanted.type} where the target has a directory: ${printable(path)}; move it away or choose another target`,
      {
        details: { path, wanted: wanted.type, there },
      },
    );
  }
}

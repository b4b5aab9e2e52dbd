/** Compares a manifest with the entries that the receiver already has, and finds conflicts. */
import { CairnError } from '../base/errors.ts';
import { joinPath, printable } from '../base/safe-path.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { Entry } from '../manifest/entry.ts';
import { isKeptTime } from '../manifest/entry-time.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { modeFor, type ModeWishes } from '../manifest/modes.ts';
import type { Comparison } from '../wire/messages.ts';
import type { EntryLookup } from './entry-lookup.ts';

const BATCH_ENTRIES = 1000;

/**
 * Compares a manifest with the entries at `target`. With the same type, size, mtime and link target the bytes are there
 * (`--checksum` then looks closer). A different mode is only an attribute. `candidates` are files of the same size
 * with another mtime, which only their digest can decide. Conflicts below the target show only in publishing.
 *
 * @param how.mayReplace whether an entry of another type at the target itself may be replaced, too
 * @param how.modes the transfer's options for modes: an entry is compared with the mode that it would get
 * @throws CairnError `is-directory`, `not-directory`, `symlink-refused` for a conflict at the target itself
 */
export async function compareWithTarget(
  store: EntryLookup,
  target: string,
  manifest: Manifest,
  { mayReplace = false, modes = {} }: { mayReplace?: boolean; modes?: ModeWishes | undefined } = {},
): Promise<Comparison> {
  const { mtimeResolutionNs, modes: receiver } = store.properties;
  const first = manifest.entries.at(0);
  if (!mayReplace && first?.path === '') await refuseConflict(store, target, first);
  const have = new ChunkSet();
  const attributes = new ChunkSet();
  const candidates = new ChunkSet();
  for (let from = 0; from < manifest.entries.length; from += BATCH_ENTRIES) {
    const batch = manifest.entries.slice(from, from + BATCH_ENTRIES);
    const paths = batch.map((entry) => joinPath(target, entry.path));
    const there = await store.lookup(paths, (position, error) => {
      // No entry can be put below a target that this user cannot reach.
      if (batch[position]!.path === '') throw error;
    });
    for (const [position, entry] of batch.entries()) {
      const found = there[position];
      if (found === undefined) continue;
      const index = from + position;
      const mode = modeFor(entry, found.entry.mode, receiver, modes);
      const wanted = mode === entry.mode ? entry : { ...entry, mode };
      const same = compareEntry(wanted, found.entry, mtimeResolutionNs);
      if (same === 'candidate') candidates.add(index);
      if (same === 'same' || same === 'attributes') have.add(index);
      if (same === 'attributes') attributes.add(index);
    }
  }
  return { have: have.runs(), attributes: attributes.runs(), candidates: candidates.runs() };
}

/** Compares an entry with the one in its place. */
export function compareEntry(
  wanted: Entry,
  found: Entry,
  mtimeResolutionNs: bigint,
): 'same' | 'attributes' | 'candidate' | 'different' {
  if (wanted.type !== found.type) return 'different';
  const sameTime = isKeptTime(wanted.mtimeNs, found.mtimeNs, mtimeResolutionNs);
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

/** A user may have typed the wrong destination: without a request cairn replaces no entry there. */
async function refuseConflict(store: EntryLookup, target: string, first: Entry): Promise<void> {
  const [found] = await store.lookup([target]);
  const there = found?.entry.type;
  const wanted = first.type;
  if (there === undefined || (there === 'directory') === (wanted === 'directory')) return;
  throw new CairnError(
    wanted === 'directory' ? 'not-directory' : 'is-directory',
    `the transfer has a ${wanted} where the target has a ${there}: ${printable(target)}; choose another target, move it away (cairn mv), or replace it by --force-replace`,
    { details: { path: target, wanted, there } },
  );
}

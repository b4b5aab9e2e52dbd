/** Compares a manifest with the entries that the receiver already has, and finds conflicts. */
import { CairnError } from '../base/errors.ts';
import { joinPath, printable } from '../base/safe-path.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { Entry, ScannedEntry } from '../manifest/entry.ts';
import { isKeptTime } from '../manifest/entry-time.ts';
import { inodeOf } from '../manifest/identity.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { localMetadata } from '../manifest/metadata.ts';
import { modeFor, type ModeWishes } from '../manifest/modes.ts';
import { mayHaveParts } from '../manifest/parts-document.ts';
import type { Comparison } from '../wire/messages.ts';
import type { EntryLookup } from './entry-lookup.ts';
import type { RefusalSink } from './refused-entries.ts';

const BATCH_ENTRIES = 1000;

/**
 * Compares a manifest with the entries at `target`. With the same type, size, mtime and link target the bytes are there
 * (`--checksum` then looks closer). A different mode is only an attribute. `candidates` are files of the same size
 * with another mtime, which only their digest can decide; `older` are large files of which another version is there. Conflicts below the target show only in publishing.
 *
 * @param how.mayReplace whether an entry of another type at the target itself may be replaced, too
 * @param how.modes the transfer's options for modes: an entry is compared with the mode that it would get
 * @throws CairnError `is-directory`, `not-directory`, `symlink-refused` for a conflict at the target itself
 */
export async function compareWithTarget(
  anyStore: EntryLookup,
  target: string,
  manifest: Manifest,
  { mayReplace = false, modes = {} }: { mayReplace?: boolean; modes?: ModeWishes | undefined } = {},
): Promise<Comparison> {
  const store = (await anyStore.atOneMoment?.()) ?? anyStore;
  const { mtimeResolutionNs, modes: receiver, metadata: abilities } = store.properties;
  const carried = manifest.metadata ?? [];
  // What is there has the numbers of this machine, whatever the manifest names.
  const kinds = carried.filter((kind) => kind !== 'names');
  const first = manifest.entries.at(0);
  if (first?.path === '') {
    const [top] = await store.lookup([target]);
    if (!mayReplace) refuseConflict(target, first, top?.entry);
    // Nothing is below a directory that is not there: no more to look up.
    if (top === undefined && first.type === 'directory') return { have: [], attributes: [], candidates: [] };
  }
  const have = new ChunkSet();
  const attributes = new ChunkSet();
  const candidates = new ChunkSet();
  const older = new ChunkSet();
  for (let from = 0; from < manifest.entries.length; from += BATCH_ENTRIES) {
    const batch = manifest.entries.slice(from, from + BATCH_ENTRIES);
    const paths = batch.map((entry) => joinPath(target, entry.path));
    const onRefused: RefusalSink = (position, error) => {
      // No entry can be put below a target that this user cannot reach.
      if (batch[position]!.path === '') throw error;
    };
    const there = await (carried.length === 0
      ? store.lookup(paths, onRefused)
      : store.lookup(paths, onRefused, kinds));
    const firsts = await lookUpFirsts(store, target, batch);
    for (const [position, entry] of batch.entries()) {
      const found = there[position];
      if (found === undefined) continue;
      const index = from + position;
      if (entry.type === 'hardlink') {
        if (isSameFile(found, firsts.get(entry.linkTarget))) have.add(index);
        continue;
      }
      const mode = modeFor(entry, found.entry.mode, receiver, modes);
      const wanted = mode === entry.mode ? entry : { ...entry, mode };
      const isAsWanted =
        carried.length === 0 ||
        abilities === undefined ||
        (modes.keepsTarget === true && entry.path === '' && entry.type === 'directory') ||
        localMetadata(entry.metadata, abilities.ids) === (found.entry.metadata ?? '');
      const same = compareEntry(wanted, found.entry, mtimeResolutionNs, isAsWanted);
      if (same === 'candidate') candidates.add(index);
      if ((same === 'candidate' || same === 'different') && isLarge(wanted) && isLarge(found.entry))
        older.add(index);
      if (same === 'same' || same === 'attributes') have.add(index);
      if (same === 'attributes') attributes.add(index);
    }
  }
  const runs = { have: have.runs(), attributes: attributes.runs(), candidates: candidates.runs() };
  return older.size === 0 ? runs : { ...runs, older: older.runs() };
}

function isLarge({ type, sizeBytes }: Entry): boolean {
  return type === 'file' && mayHaveParts(sizeBytes);
}

/** The files that hard links of a batch lead to, by their path in the manifest. */
async function lookUpFirsts(
  store: EntryLookup,
  target: string,
  batch: readonly Entry[],
): Promise<ReadonlyMap<string, ScannedEntry>> {
  const links = batch.filter(({ type }) => type === 'hardlink').map(({ linkTarget }) => linkTarget);
  const paths = [...new Set(links)];
  const found = new Map<string, ScannedEntry>();
  if (paths.length === 0) return found;
  const there = await store.lookup(
    paths.map((path) => joinPath(target, path)),
    () => undefined, // publishing finds out, and names it
  );
  for (const [index, path] of paths.entries()) {
    const entry = there[index];
    if (entry !== undefined) found.set(path, entry);
  }
  return found;
}

function isSameFile(one: ScannedEntry, other: ScannedEntry | undefined): boolean {
  return (
    one.entry.type === 'file' && other !== undefined && inodeOf(one.identity) === inodeOf(other.identity)
  );
}

/**
 * Compares an entry with the one in its place.
 *
 * @param isAsWanted whether the one that is there has the wanted metadata
 */
export function compareEntry(
  wanted: Entry,
  found: Entry,
  mtimeResolutionNs: bigint,
  isAsWanted = true,
): 'same' | 'attributes' | 'candidate' | 'different' {
  if (wanted.type !== found.type) return 'different';
  const sameTime = isKeptTime(wanted.mtimeNs, found.mtimeNs, mtimeResolutionNs);
  const isDressed = wanted.mode === found.mode && isAsWanted;
  switch (wanted.type) {
    case 'directory':
      return isDressed && sameTime ? 'same' : 'attributes';
    case 'symlink':
      if (wanted.linkTarget !== found.linkTarget) return 'different';
      return sameTime && isAsWanted ? 'same' : 'attributes';
    case 'file':
      if (wanted.sizeBytes !== found.sizeBytes) return 'different';
      if (!sameTime) return 'candidate';
      return isDressed ? 'same' : 'attributes';
    default:
      return 'different';
  }
}

/** A user may have typed the wrong destination: without a request cairn replaces no entry there. */
function refuseConflict(target: string, { type: wanted }: Entry, found: Entry | undefined): void {
  const there = found?.type;
  if (there === undefined || (there === 'directory') === (wanted === 'directory')) return;
  throw new CairnError(
    wanted === 'directory' ? 'not-directory' : 'is-directory',
    `the transfer has a ${wanted} where the target has a ${there}: ${printable(target)}; choose another target, move it away (cairn mv), or replace it by --force-replace`,
    { details: { path: target, wanted, there } },
  );
}

/**
 * The recipes of files that are about to be published: the sender told them. Once such a file has its identity, its recipe is
 * kept under that, so that the next transfer need not read the file to compare it.
 */
import { joinPath } from '../../base/safe-path.ts';
import { isKeptTime } from '../../manifest/entry-time.ts';
import type { Identity } from '../../manifest/entry.ts';
import type { Cuts, CutSubject } from '../../manifest/kept-cuts-format.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Parts } from '../../manifest/parts-document.ts';
import type { Recipe } from '../../manifest/recipe.ts';
import type { EntryLookup } from '../../transfer/entry-lookup.ts';
import type { KeptCuts } from './kept-cuts.ts';

type Digest = Pick<Manifest, 'digest'>;

/** What cuts of a file are kept as until it has an identity: its checks tell it from every other file. */
function toCome({ digest }: Digest, { sizeBytes, blocks }: Recipe): CutSubject {
  return { name: `proved by ${blocks.ids.toString('base64')}`, digest, sizeBytes };
}

/** Keeps the cuts of a file to come; those without checks are not kept. */
export async function keepCutsToCome(kept: KeptCuts, digest: Digest, cuts: Cuts): Promise<void> {
  if (cuts.checks !== undefined) await kept.keep(toCome(digest, cuts.checks), cuts);
}

/** Where the files of a manifest are published. */
export interface Published {
  readonly store: EntryLookup;
  readonly target: string;
  readonly manifest: Manifest;
}

/** Gives the kept cuts of assembled files the identities that these have now. @throws CairnError, storage codes */
export async function keepPublishedCuts(
  kept: KeptCuts,
  published: Published,
  assemblies: Parts = new Map(),
): Promise<void> {
  for (const [index, { recipe: checks }] of assemblies) {
    const cuts = await kept.find(toCome(published.manifest, checks));
    const name = cuts && (await identityOf(published, index));
    if (cuts === undefined || name === undefined) continue;
    await kept.keep({ name, digest: published.manifest.digest, sizeBytes: checks.sizeBytes }, cuts);
  }
}

/** The identity of an entry that is there as the manifest says. */
async function identityOf(
  { store, target, manifest: { entries } }: Published,
  index: number,
): Promise<Identity | undefined> {
  const entry = entries.at(index)!;
  const [found] = await store.lookup([joinPath(target, entry.path)], () => undefined);
  if (found?.entry.type !== 'file' || found.entry.sizeBytes !== entry.sizeBytes) return undefined;
  const isIt = isKeptTime(entry.mtimeNs, found.entry.mtimeNs, store.properties.mtimeResolutionNs);
  return isIt ? found.identity : undefined;
}

/** Forgets what was kept of older versions, which turned out to be others. @throws CairnError, storage codes */
export async function forgetOlderCuts(
  kept: KeptCuts,
  { store, target, manifest: { entries, digest } }: Published,
  indices: Iterable<number>,
): Promise<void> {
  for (const index of indices) {
    const [found] = await store.lookup([joinPath(target, entries.pathOf(index))], () => undefined);
    if (found?.entry.type !== 'file') continue;
    await kept.forget({ name: found.identity, digest, sizeBytes: found.entry.sizeBytes });
  }
}

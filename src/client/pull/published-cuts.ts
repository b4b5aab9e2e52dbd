/**
 * The recipes of files that a pull has published: the server told them for the comparison, and the next pull finds them by the
 * identity of the file, instead of reading it.
 */
import { joinPath } from '../../base/safe-path.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import { isKeptTime } from '../../manifest/entry-time.ts';
import type { CutSubject } from '../../manifest/kept-cuts-format.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Parts } from '../../manifest/parts-document.ts';
import type { Recipe } from '../../manifest/recipe.ts';
import type { KeptCuts } from '../../storage/state/kept-cuts.ts';
import type { VersionCuts } from '../transfer/version-cuts.ts';
import type { PullDestination } from './pull-staging.ts';

/** What cuts of a file are kept as until it has an identity: its checks tell it from every other file. */
function toCome(digest: DigestAlgorithm, { sizeBytes, blocks }: Recipe): CutSubject {
  return { name: `proved by ${blocks.ids.toString('base64')}`, digest, sizeBytes };
}

/** Keeps what another side tells of files to come. */
export function keepingCuts(newer: VersionCuts, kept: KeptCuts, digest: DigestAlgorithm): VersionCuts {
  return {
    ...newer,
    blocksOf: async (entries) => {
      const all = await newer.blocksOf(entries);
      for (const cuts of all.values())
        if (cuts.checks !== undefined) await kept.keep(toCome(digest, cuts.checks), cuts);
      return all;
    },
  };
}

/** Gives the kept cuts of assembled files the identities under which these are now at the destination. */
export async function keepPublishedCuts(
  kept: KeptCuts,
  { store, landing }: Pick<PullDestination, 'store' | 'landing'>,
  manifest: Manifest,
  assemblies: Parts = new Map(),
): Promise<void> {
  const { entries, digest } = manifest;
  for (const [index, { recipe: checks }] of assemblies) {
    const cuts = await kept.find(toCome(digest, checks));
    if (cuts === undefined) continue;
    const path = joinPath(landing.target, entries.pathOf(index));
    const [found] = await store.lookup([path], () => undefined);
    const entry = entries.at(index)!;
    const isIt =
      found?.entry.type === 'file' &&
      found.entry.sizeBytes === entry.sizeBytes &&
      isKeptTime(entry.mtimeNs, found.entry.mtimeNs, store.properties.mtimeResolutionNs);
    if (isIt) await kept.keep({ name: found.identity, digest, sizeBytes: entry.sizeBytes }, cuts);
  }
}

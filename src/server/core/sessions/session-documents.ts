/** The documents of a session in its staging area, as values. */
import { CairnError, EXIT } from '../../../base/errors.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import { encodeDeletions, readDeletions, type Deletions } from '../../../manifest/deletions.ts';
import type { EntryList } from '../../../manifest/entry-table.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { ManifestLimits } from '../../../manifest/manifest-reader.ts';
import type { StringList } from '../../../manifest/string-table.ts';
import { decodeStrings, encodeStrings } from '../../../manifest/string-lines.ts';
import { encodeTree, readTree, type Notice } from '../../../wire/tree-stream.ts';
import { encodeParts, partsId, type Parts } from '../../../manifest/parts-document.ts';
import { readParts } from '../../../wire/read-parts.ts';
import { readPlan, runsText, type AgreedParts, type PlanSets } from './plan-text.ts';
import type { DocumentName, StagingArea } from '../../../storage/content-store.ts';

/** Saves a manifest with the notices of its sender, in the form of the wire. */
export function saveManifest(
  area: StagingArea,
  manifest: Manifest,
  notices: readonly Notice[],
): Promise<void> {
  return area.save(
    'manifest',
    anew(() => encodeTree(manifest, notices)),
  );
}

/** Loads the manifest; undefined where it was never saved. @throws CairnError `manifest-invalid` for damage */
export async function loadManifest(area: StagingArea, limits: ManifestLimits): Promise<Manifest | undefined> {
  const bytes = await area.load('manifest');
  return bytes === undefined ? undefined : (await readTree(bytes, limits)).manifest;
}

/** Saves the identities of the source's entries, in their order. */
export function saveIdentities(area: StagingArea, identities: StringList): Promise<void> {
  return area.save(
    'identities',
    anew(() => encodeStrings(identities)),
  );
}

/** Loads the identities of the source's entries. @throws CairnError `internal` where they are not there */
export async function loadIdentities(area: StagingArea): Promise<StringList> {
  const bytes = await area.load('identities');
  if (bytes === undefined) throw new CairnError('internal', 'the identities of the source were not kept');
  return decodeStrings(bytes);
}

/** Saves the plan that both sides agreed on. */
export function savePlan(area: StagingArea, { have, attributes, parts }: PlanSets): Promise<void> {
  function* text(): Generator<string> {
    yield '{"have":[';
    yield* runsText(have);
    yield '],"attributes":[';
    yield* runsText(attributes);
    yield parts === undefined ? ']}' : `],"parts":"${parts.id}"}`;
  }
  return area.save('plan', anew(text));
}

/**
 * Loads the plan for this manifest; undefined where none was agreed. @throws CairnError `invalid-request` for
 * damage
 */
export async function loadPlan(area: StagingArea, manifest: Manifest): Promise<PlanSets | undefined> {
  const source = await area.load('plan');
  if (source === undefined) return undefined;
  const { sets, partsId: id } = await readPlan(source, manifest.entries.length, 'the saved plan');
  return id === undefined ? sets : { ...sets, parts: await loadParts(area, manifest, id) };
}

/** Saves the document of parts that a client has sent. */
export function saveParts(area: StagingArea, parts: Parts): Promise<void> {
  return area.save(
    'parts',
    anew(() => encodeParts(parts)),
  );
}

/** Loads the document of parts with this id. @throws CairnError `invalid-request` where it is another one, or damaged */
export async function loadParts(area: StagingArea, manifest: Manifest, id: string): Promise<AgreedParts> {
  const source = await area.load('parts');
  const assemblies = source === undefined ? undefined : await readParts(source, manifest);
  if (assemblies !== undefined && partsId(assemblies) === id) return { id, assemblies };
  throw new CairnError('invalid-request', 'the parts of the plan were not sent before it, or are other ones');
}

/** Saves the list of what a push is to delete. */
export function saveDeletions(area: StagingArea, deletions: Deletions): Promise<void> {
  return area.save(
    'deletions',
    anew(() => encodeDeletions(deletions)),
  );
}

/**
 * Loads that list, for the manifest with these entries; undefined where it is damaged, gone, or not the one with this
 * id: then nothing is deleted.
 *
 * @throws CairnError, storage codes
 */
export async function findDeletions(
  area: StagingArea,
  wanted: EntryList,
  limits: ManifestLimits,
  id: string,
): Promise<Deletions | undefined> {
  const bytes = await area.load('deletions');
  if (bytes === undefined) return undefined;
  try {
    const list = await readDeletions(bytes, wanted, limits);
    return list.id === id ? list : undefined;
  } catch (error) {
    if (error instanceof CairnError && error.traits.exitCode !== EXIT.storage) return undefined;
    throw error;
  }
}

/** Saves the digests of sent chunks. */
export function saveDigests(area: StagingArea, digests: ChunkDigests): Promise<void> {
  return area.save('digests', [JSON.stringify(digests.encode())]);
}

/** Loads the digests of sent chunks; none where they were not saved. @throws CairnError `invalid-request` */
export async function loadDigests(
  area: StagingArea,
  digestLengthBytes: number,
  chunkLimit: number,
): Promise<ChunkDigests> {
  const text = await loadText(area, 'digests');
  if (text === undefined) return new ChunkDigests(digestLengthBytes);
  return ChunkDigests.decode(JSON.parse(text), digestLengthBytes, chunkLimit);
}

/** A text that is made again at each read: the caller may offer it to a second store after the first refused it. */
function anew(make: () => Iterator<string>): Iterable<string> {
  return { [Symbol.iterator]: make };
}

async function loadText(area: StagingArea, name: DocumentName): Promise<string | undefined> {
  const source = await area.load(name);
  if (source === undefined) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

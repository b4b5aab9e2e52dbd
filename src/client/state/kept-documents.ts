/** Manifests and identities that are kept beside a transfer's record. */
import { CairnError } from '../../base/errors.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { decodeStrings } from '../../manifest/string-lines.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { partsId, type Parts } from '../../manifest/parts-document.ts';
import { readParts } from '../../wire/read-parts.ts';
import { readTree } from '../../wire/tree-stream.ts';

/** Reads a tree that was kept. Undefined for damage. */
export async function loadManifest(source: AsyncIterable<Uint8Array>): Promise<Manifest | undefined> {
  try {
    return (await readTree(source)).manifest;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Reads identities that were kept. Undefined for damage. */
export async function loadIdentities(source: AsyncIterable<Uint8Array>): Promise<StringList | undefined> {
  try {
    return await decodeStrings(source);
  } catch (error) {
    if (isDamage(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Reads parts that were kept. Undefined for damage, and for other ones than those with the id. */
export async function loadParts(
  source: AsyncIterable<Uint8Array>,
  manifest: Manifest,
  id: string | undefined,
): Promise<Parts | undefined> {
  try {
    const parts = await readParts(source, manifest);
    return partsId(parts) === id ? parts : undefined;
  } catch (error) {
    if (isDamage(error) || (error instanceof CairnError && error.code === 'invalid-request'))
      return undefined;
    throw error;
  }
}

/** Damage of a kept document: the transfer starts over without it. */
function isDamage(error: unknown): boolean {
  return (
    error instanceof CairnError && (error.code === 'manifest-invalid' || error.code === 'chunk-incomplete')
  );
}

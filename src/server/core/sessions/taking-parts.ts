/** Who may send only parts of a changed file. */
import { CairnError } from '../../../base/errors.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf, mayHash, type Scope } from '../../../session/scopes.ts';
import type { ContentStoreProperties } from '../../../storage/content-store.ts';

/**
 * Whether a push with these scopes may send parts: its store assembles, it replaces files, and it may learn what is in
 * them, since blocks tell that as digests do.
 */
export function takesParts(
  { assembles }: Pick<ContentStoreProperties, 'assembles'>,
  scopes: readonly Scope[] = [],
): boolean {
  return assembles && existingOf(scopes) === 'replaced' && mayHash(scopes);
}

/** Refuses a session that may not. @throws CairnError `forbidden`, `storage-unsupported` */
export function checkTakesParts(
  properties: Pick<ContentStoreProperties, 'assembles'>,
  { pass, authorization }: SessionRecord,
): void {
  if (!properties.assembles)
    throw new CairnError('storage-unsupported', 'the storage of this server takes files only whole');
  if (pass.direction === 'push' && takesParts(properties, authorization?.scopes)) return;
  throw new CairnError(
    'forbidden',
    'to send parts of files at the target takes the scope "read" beside "write"; send them whole',
  );
}

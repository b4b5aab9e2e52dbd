/** Which sessions may carry only parts of a changed file. */
import { CairnError } from '../../../base/errors.ts';
import { bringsBytes } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf, mayHash, type Scope } from '../../../session/scopes.ts';
import type { ContentStoreProperties } from '../../../storage/content-store.ts';

type Assembling = Pick<ContentStoreProperties, 'assembles'>;
type PartsSubject = Pick<SessionRecord, 'pass' | 'authorization'>;

/** Whether a push with these scopes may send parts: its store assembles, it replaces files, and it may learn what is in them. */
function mayPushParts({ assembles }: Assembling, scopes: readonly Scope[] = []): boolean {
  return assembles && existingOf(scopes) === 'replaced' && mayHash(scopes);
}

/**
 * Whether the files of a session may be carried in parts. Blocks tell what is in a file as digests do; a pull may read all of
 * its files anyway, and its client assembles them.
 */
export function takesParts(properties: Assembling, { pass, authorization }: PartsSubject): boolean {
  return !bringsBytes(pass) || mayPushParts(properties, authorization?.scopes);
}

/** Refuses a session that may not. @throws CairnError `forbidden`, `storage-unsupported` */
export function checkTakesParts(properties: Assembling, subject: PartsSubject): void {
  if (takesParts(properties, subject)) return;
  if (!properties.assembles)
    throw new CairnError('storage-unsupported', 'the storage of this server takes files only whole');
  throw new CairnError(
    'forbidden',
    'to send parts of files at the target takes the scope "read" beside "write"; send them whole',
  );
}

/** Where a push keeps what it replaces and deletes: within the rights of its token, and not in the way of itself. */
import { CairnError } from '../../../base/errors.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import { isWithin } from '../../../session/authorization.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf } from '../../../session/scopes.ts';

/**
 * The safe relative path of a directory for backups; undefined where none is wanted. One inside of the target is fine
 * where the client leaves it out of what it deletes.
 *
 * @param wanted the path of a URL
 * @throws CairnError path codes, `forbidden`, `usage`
 */
export function backupPathOf(
  { authorization, target }: Pick<SessionRecord, 'authorization' | 'target'>,
  wanted: string | undefined,
): string | undefined {
  if (wanted === undefined) return undefined;
  const path = targetPathOf(wanted);
  const { scopes = [], pathPrefix = '' } = authorization ?? {};
  if (existingOf(scopes) !== 'replaced')
    throw new CairnError('forbidden', '--backup-dir needs an access token with the scope "write"');
  if (!isWithin(path, pathPrefix)) {
    const where = `the access token is only for "/${printable(pathPrefix)}" and what is below`;
    throw new CairnError('forbidden', `--backup-dir "/${printable(path)}": ${where}`);
  }
  if (!isWithin(target, path)) return path;
  const message = `--backup-dir "/${printable(path)}" is the target of the push, or above it; name a directory beside the target`;
  throw new CairnError('usage', message);
}

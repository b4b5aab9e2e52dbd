/** What a push deletes at its target: the server says what is there beside, and takes the list of what is to go. */
import { CairnError } from '../../base/errors.ts';
import { printable, targetPathOf, urlPathOf } from '../../base/safe-path.ts';
import { encodeDeletions, type Deletions } from '../../manifest/deletions.ts';
import { DEFAULT_MANIFEST_LIMITS } from '../../manifest/manifest-reader.ts';
import { DeletionsTaken } from '../../wire/deletion-messages.ts';
import { readExtras, type Extras } from '../../wire/extras-stream.ts';
import { ROUTE } from '../../wire/routes.ts';
import type { RequestBody } from '../http/http-message.ts';
import { call, callJson, type Server } from '../http/server-calls.ts';
import { withTerms, type SessionAccess } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { IsProtected } from '../transfer/choose-deletions.ts';
import type { DeletionPlan } from '../transfer/deletion-plan.ts';

/** Refuses a server that does not know how to delete. @throws CairnError `version-unsupported` */
export function checkDeletes({ hasDeletions }: Pick<Server, 'hasDeletions'>): void {
  if (hasDeletions) return;
  const message =
    'the server is too old for --delete; nothing was sent: install a newer cairn there, or push without --delete';
  throw new CairnError('version-unsupported', message);
}

/** The path in URLs of a directory for backups at the server. @throws CairnError `usage`, path codes */
export function backupUrlPath(directory: string): string {
  if (directory.startsWith('/')) {
    const names = directory.split('/');
    return urlPathOf(names.slice(1, names.findLastIndex((name) => name !== '') + 1).join('/'));
  }
  const message = `--backup-dir of a push is an absolute path at the server, such as /old, not "${printable(directory)}"`;
  throw new CairnError('usage', message);
}

/**
 * Refuses a directory for backups in the tree that is mirrored: the next run would delete them.
 *
 * @throws CairnError `usage`, path codes
 */
export function checkBackupPlace(directory: string, target: string, isProtected: IsProtected): void {
  const [backup, mirrored] = [targetPathOf(backupUrlPath(directory)), targetPathOf(target)];
  const prefix = mirrored === '' ? '' : `${mirrored}/`;
  if (!backup.startsWith(prefix)) return;
  const entry = { type: 'directory', path: backup.slice(prefix.length), sizeBytes: 0, mtimeNs: 0n } as const;
  if (isProtected(entry)) return;
  const message = `--backup-dir "${printable(directory)}" is in the tree that is mirrored, and would be deleted with the next run: exclude it, or name one beside the tree`;
  throw new CairnError('usage', message);
}

/**
 * Gives the server the list of what a push deletes: it is durable there when this resolves, and carried out by a commit
 * that names it.
 */
export async function giveDeletions(session: SessionClient, { list }: DeletionPlan): Promise<void> {
  if (list === undefined) return;
  const taken = await session.run((at) => putDeletions(at, list));
  if (taken.id === list.id) return;
  throw new CairnError('digest-mismatch', 'the server has taken another list of deletions than was sent');
}

/** Asks the server for the entries of the target that the manifest of the session does not have. */
export async function getExtras(at: SessionAccess): Promise<Extras> {
  const path = ROUTE.extras(at.terms.session);
  const response = await call(at.server, { method: 'GET', path, isSlow: true, ...withTerms(at) });
  return readExtras(response.body, DEFAULT_MANIFEST_LIMITS);
}

function putDeletions(at: SessionAccess, list: Deletions): Promise<DeletionsTaken> {
  const path = ROUTE.deletions(at.terms.session);
  const request = { method: 'PUT', path, body: bodyOf(list), ...withTerms(at) } as const;
  return callJson(at.server, DeletionsTaken, 'the answer to the deletions', request);
}

function bodyOf(list: Deletions): RequestBody {
  return { type: 'application/x-ndjson', lengthBytes: list.encodedBytes, pieces: bytesOf(list) };
}

function* bytesOf(list: Deletions): Generator<Uint8Array> {
  for (const text of encodeDeletions(list)) yield Buffer.from(text);
}

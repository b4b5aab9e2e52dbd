/** What is at the target of a session that is wanted, before there is one. */
import { CairnError } from '../../../base/errors.ts';
import { ancestorsOf, printable } from '../../../base/safe-path.ts';
import { mayCompare } from '../../../session/scopes.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionGrant } from '../../../wire/messages.ts';
import type { SessionWish } from './session-wish.ts';

/** What was found at a target. */
export interface TargetLook {
  /** What the client may know of it. */
  readonly there: Pick<SessionGrant, 'isTargetNew' | 'fileBytes'>;
  /** Whether something is at the target of a push. */
  readonly keepsTarget: boolean;
}

/**
 * Refuses early what could only fail later; answers what a client may want to know of the target before all else.
 *
 * @throws CairnError `not-found` for a pull, `symlink-refused`, `not-directory`, storage codes
 */
export async function lookAtTarget(
  content: Pick<ContentStore, 'lookup'>,
  { authorization: { scopes }, target, request: { direction } }: SessionWish,
): Promise<TargetLook> {
  if (direction === 'pull') {
    const [there] = await content.lookup([target]);
    if (there === undefined) throw new CairnError('not-found', `there is nothing at "${printable(target)}"`);
    const { type, sizeBytes } = there.entry;
    return { there: type === 'file' ? { fileBytes: sizeBytes } : {}, keepsTarget: false };
  }
  const parents = ancestorsOf(target);
  const isBlind = !mayCompare(scopes);
  // Who may not know what is there learns of it neither here nor by what fails.
  const pass = isBlind ? (): void => undefined : undefined;
  const found = await content.lookup([...parents, target], pass);
  const isTargetNew = found.pop() === undefined;
  if (isBlind) return { there: {}, keepsTarget: !isTargetNew };
  for (const [index, parent] of found.entries()) {
    const type = parent?.entry.type ?? 'directory';
    if (type === 'directory') continue;
    const code = type === 'symlink' ? 'symlink-refused' : 'not-directory';
    throw new CairnError(code, `the target is below "${printable(parents[index]!)}", which is a ${type}`);
  }
  return { there: { isTargetNew }, keepsTarget: !isTargetNew };
}

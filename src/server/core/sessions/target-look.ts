/** Looks at the target of a wanted session before there is a session. */
import { CairnError } from '../../../base/errors.ts';
import { ancestorsOf, printable } from '../../../base/safe-path.ts';
import { mayCompare } from '../../../session/scopes.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionTerms } from '../../../wire/messages.ts';
import type { SessionWish } from './session-wish.ts';

/** The result of a look at a target. */
export interface TargetLook {
  /** The part that the client may know. */
  readonly there: Pick<SessionTerms, 'isTargetNew' | 'fileBytes'>;
  /** Whether something is at the target of a push. */
  readonly keepsTarget: boolean;
}

/**
 * Refuses early a target that would fail later; answers what a client may want to know of it first.
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
  // A client that may not know what is there must not learn it here by a failure.
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

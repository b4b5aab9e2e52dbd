/** Keeps the authorization of a session up to date: tokens come and go, progress stays. */
import type { PassRecord } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { pushScopeOf } from '../../../session/scopes.ts';
import { checkAllows, type Authorization } from '../../../session/authorization.ts';
import type { LiveSession } from './live-session.ts';

/** Refuses to continue a session under an authorization that does not allow it. @throws CairnError `forbidden` */
export function checkAllowsSession(
  authorization: Authorization,
  { target, pass }: Pick<SessionRecord, 'target'> & { readonly pass: Pick<PassRecord, 'direction'> },
): void {
  const needed = pass.direction === 'pull' ? 'read' : (pushScopeOf(authorization.scopes) ?? 'write');
  checkAllows(authorization, needed, target);
}

/** Continues a session under a newer authorization of the same principal. @throws CairnError `forbidden` */
export async function renewAuthorization(
  { record }: LiveSession,
  asking: Authorization,
  address: string,
): Promise<void> {
  const { authorization } = record.value;
  checkAllowsSession(asking, record.value);
  if (authorization?.id === asking.id && authorization.expiresAtMs === asking.expiresAtMs) return;
  await record.note('renewed', { by: asking.id, from: address }, { authorization: asking });
}

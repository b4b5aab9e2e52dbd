/** One access token in memory: for tests, and for servers inside other programs. */
import { hashSecret, isSecret } from '../../session/credential.ts';
import { FULL_SCOPES } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import type { Authenticator } from './authenticator.ts';

/** An authenticator for one secret with all rights, unless `changes` say otherwise. */
export function createStaticToken(secret: string, changes: Partial<Authorization> = {}): Authenticator {
  const authorization = {
    id: 'token:static',
    principal: 'static',
    scopes: FULL_SCOPES,
    pathPrefix: '',
    ...changes,
  };
  const hash = hashSecret(secret);
  return {
    authenticate: async ({ bearer }) =>
      bearer !== undefined && isSecret(bearer, hash) ? authorization : undefined,
    stands: ({ id }) => (id === authorization.id ? true : undefined),
  };
}

/**
 * Access tokens: who may use a server. Only hashes are kept, in `tokens.json` of the state directory; the secret of the
 * first token lies beside it in `token`, readable by its owner only, so that a client of the same user finds it.
 * `cairn token` changes them in another process; a server that runs takes that over within half a second.
 */
import { makePrivateDirectory } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { hashSecret } from '../../session/credential.ts';
import type { Logger } from '../../base/logger.ts';
import type { Authenticator } from './authenticator.ts';
import { watchFile } from './file-watch.ts';
import { firstTokenPath, openTokens, type CreatedToken } from './token-changes.ts';
import { readTokens, tokensPath } from './token-file.ts';
import { createTokenRing } from './token-ring.ts';

/** Access tokens that are kept in a state directory. */
export interface OpenedAccessTokens extends Authenticator {
  /** The token that was made now, on the first start; without its secret, which is in `tokenFile`. */
  readonly created?: CreatedToken;
  /** Path of the file with the secret of the token that the server made. It goes when that is revoked. */
  readonly tokenFile: string;
  /** Stops looking for changes. */
  close(): void;
}

const LOOK_EVERY_MS = 250;
/** What `issueSecret` makes. Anything else, a JWT for instance, is no reason to look for a new token. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/**
 * Opens the access tokens of a server and makes the first one where there are none. One server at a time may do so.
 *
 * @throws CairnError `config-invalid` for a `tokens.json` that cannot be understood; storage codes
 */
export async function openAccessTokens(
  stateDirectory: string,
  { log }: { log?: Pick<Logger, 'info' | 'error'> } = {},
): Promise<OpenedAccessTokens> {
  await makePrivateDirectory(stateDirectory);
  const { tokens, created } = await openTokens(stateDirectory);
  const known = createTokenRing();
  known.replace(tokens);
  let hasComplained = false;
  const takeOver = async (): Promise<void> => {
    const changed = await readTokens(stateDirectory);
    if (changed === undefined) throw new CairnError('config-invalid', 'the access tokens are gone');
    if (known.replace(changed)) log?.info({ tokens: changed.length }, 'access tokens have changed');
    hasComplained = false;
  };
  // Whoever tears the file must not lock everybody out; it is said once, until it is right again.
  const complain = (error: unknown): void => {
    if (!hasComplained)
      log?.error({ err: error }, 'the access tokens cannot be read; those known before stay valid');
    hasComplained = true;
  };
  const watch = watchFile(tokensPath(stateDirectory), {
    everyMs: LOOK_EVERY_MS,
    onChange: takeOver,
    onError: complain,
  });
  return {
    ...(created === undefined ? {} : { created }),
    tokenFile: firstTokenPath(stateDirectory),
    close: () => watch.stop(),
    authenticate: async ({ bearer }) => {
      if (bearer === undefined) return undefined;
      const hash = hashSecret(bearer);
      const found = known.find(hash);
      if (found !== undefined || !SECRET.test(bearer)) return found;
      // It may be of a token that was made a moment ago.
      await watch.look();
      return known.find(hash);
    },
    stands: ({ id }) => (id.startsWith('token:') ? known.has(id) : undefined),
  };
}

/** The access token of a client: shown where one is needed, and asked for again when it is over. */
import { CairnError, type ErrorCode } from '../../base/errors.ts';

/** What a request carries to say who asks. */
export type AccessHeaders = Readonly<Record<string, string>>;

/** The access token of one transfer. */
export interface Access {
  /**
   * Runs a request with the `Authorization` header; after a refusal the token is asked for once more (its file may have
   * been replaced, a login may be refreshed), and with another one the request is made again.
   */
  run<T>(request: (headers: AccessHeaders) => Promise<T>): Promise<T>;
  /** Asks for the token once more; the headers of another one than before, undefined where it is still the same. */
  renewed(): Promise<AccessHeaders | undefined>;
}

const REFUSALS = new Set<ErrorCode>(['unauthenticated', 'token-expired', 'token-revoked']);

/** Whether an error says that the access token is not, or no longer, good. */
export function isTokenRefused(error: unknown): boolean {
  return error instanceof CairnError && REFUSALS.has(error.code);
}

/** Makes an {@link Access}. The token goes to the origin of the user's URL and nowhere else. */
export function createAccess(token: () => Promise<string | undefined>): Access {
  let current: Promise<string | undefined> | undefined;
  /** A question that failed is asked again the next time: an issuer that is away comes back. */
  const ask = (): Promise<string | undefined> => {
    const asked = token();
    asked.catch(() => {
      if (current === asked) current = undefined;
    });
    return asked;
  };
  /** Callers at the same time share one question. */
  const next = async (used: Promise<string | undefined>): Promise<string | undefined> => {
    if (current === used || current === undefined) current = ask();
    const [before, secret] = await Promise.all([used.catch(() => undefined), current]);
    return secret === before ? undefined : secret;
  };
  return {
    run: async (request) => {
      current ??= ask();
      const used = current;
      try {
        return await request(headersOf(await used));
      } catch (error) {
        if (!isTokenRefused(error)) throw error;
        const secret = await next(used);
        if (secret === undefined) throw error;
        return request(headersOf(secret));
      }
    },
    renewed: async () => {
      current ??= ask();
      const secret = await next(current);
      return secret === undefined ? undefined : headersOf(secret);
    },
  };
}

function headersOf(secret: string | undefined): AccessHeaders {
  return secret === undefined ? {} : { authorization: `Bearer ${secret}` };
}

/** What a search for the keys of a bucket needs, and finds. */
import type { Exchanger } from './http-exchange.ts';
import type { S3Credentials } from './signature.ts';

/** Keys, and until when they are good; undefined: for ever. */
export interface FoundCredentials extends S3Credentials {
  readonly expiresAtMs?: number | undefined;
}

/** The variables of the environment. */
export type S3Environment = Readonly<Record<string, string | undefined>>;

/** What the search for keys needs. */
export interface CredentialParts {
  readonly env: S3Environment;
  readonly region: string;
  /** Asks the service of a role; it gives up soon where there is none. */
  readonly exchange: Exchanger;
  readonly now?: () => number;
}

/** TLS of `cairn serve`: opened once, read again on demand. */
import type { Authenticator } from '../../../server/access/authenticator.ts';
import type { Logger } from '../../../base/logger.ts';
import type { KeptTls } from '../../../server/access/kept-tls.ts';
import type { ServeTlsPlan } from './serve-tls-plan.ts';

/** What a server is given of it. */
export interface ServeTls {
  readonly tls: KeptTls | undefined;
  /** To be asked after all that look at tokens. */
  readonly authenticators: readonly Authenticator[];
  /** Reads the files again; what is wrong with them is logged. */
  reload(): Promise<void>;
  close(): void;
}

/** Opens what a plan says. @throws CairnError `config-invalid` */
export async function openServeTls(plan: ServeTlsPlan | undefined, log: Logger): Promise<ServeTls> {
  if (plan === undefined) {
    return { tls: undefined, authenticators: [], reload: async () => undefined, close: () => undefined };
  }
  const { openTls } = await import('../../../server/access/kept-tls.ts');
  const tls = await openTls(plan, log);
  const authenticators = await authenticatorsOf(plan, tls);
  return { tls, authenticators, reload: () => tls.reload(), close: () => tls.close() };
}

async function authenticatorsOf({ clients }: ServeTlsPlan, tls: KeptTls): Promise<Authenticator[]> {
  if (clients === undefined) return [];
  const { createCertificateAuthenticator } = await import('../../../server/access/certificates.ts');
  return [createCertificateAuthenticator(tls, clients)];
}

/** The `--oidc-…` options of `serve`: settings → an authenticator, and the login that the server offers. */
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { readOwnSync } from '../../../base/read-if-there.ts';
import { printable } from '../../../base/safe-path.ts';
import { issuerFetchIn } from '../../access/client-tls.ts';
import type { LoginOffer } from '../../../wire/messages.ts';
import type { Authenticator } from '../../../server/access/authenticator.ts';
import type { Logger } from '../../../base/logger.ts';
import { usage } from '../../options/usage.ts';
import type { ServeValues } from './serve-command.ts';

/** Whose access tokens a server takes besides its own. */
export interface OidcSettings {
  readonly issuer: string;
  readonly audience: string;
  /** What `cairn login` calls itself there; without it users have to know. */
  readonly clientId: string | undefined;
  /** Absolute path of the file that says what claims mean. */
  readonly configFile: string | undefined;
}

type OidcValues = Pick<ServeValues, 'oidcIssuer' | 'oidcAudience' | 'oidcClientId' | 'oidcConfig'>;

const EXAMPLE = '--oidc-issuer https://login.example.com --oidc-audience https://files.example.com';

/** What the options mean together; undefined where they name no issuer. @throws CairnError `usage` */
export function oidcSettingsOf(values: OidcValues): OidcSettings | undefined {
  const { oidcIssuer: issuer, oidcAudience: audience, oidcClientId: clientId, oidcConfig } = values;
  if (issuer === undefined) {
    const [alone] = Object.entries({ audience, 'client-id': clientId, 'config': oidcConfig })
      .filter(([, word]) => word !== undefined)
      .map(([name]) => `--oidc-${name}`);
    if (alone !== undefined) throw usage(`${alone} needs --oidc-issuer, whose tokens are accepted`, EXAMPLE);
    return undefined;
  }
  if (audience === undefined)
    throw usage('--oidc-issuer needs --oidc-audience, which accepted tokens have to name', EXAMPLE);
  return { issuer, audience, clientId, configFile: oidcConfig };
}

/**
 * Begins to take the issuer's tokens.
 *
 * @throws CairnError `config-invalid` for a configuration that cannot be read or understood
 */
export async function openOidc(
  settings: OidcSettings,
  log: Logger,
): Promise<{ authenticator: Authenticator; login: LoginOffer }> {
  const { issuer, audience, clientId, configFile } = settings;
  const { DEFAULT_OIDC_CONFIG, loginScopesOf, parseOidcConfig } =
    await import('../../../server/access/oidc-config.ts');
  const config =
    configFile === undefined
      ? DEFAULT_OIDC_CONFIG
      : parseOidcConfig(await readConfig(configFile), configFile);
  const { createOidc } = await import('../../../server/access/oidc.ts');
  return {
    authenticator: createOidc({ issuer, audience, config, log, fetch: issuerFetchIn(process.env) }),
    login: {
      issuer,
      audience,
      scopes: loginScopesOf(config),
      ...(clientId === undefined ? {} : { clientId }),
    },
  };
}

async function readConfig(path: string): Promise<string> {
  try {
    return readOwnSync(path);
  } catch (error) {
    if (error instanceof CairnError) throw new CairnError('config-invalid', error.message, { cause: error });
    const reason = systemCodeOf(error) ?? String(error);
    throw new CairnError(
      'config-invalid',
      `the OIDC configuration "${printable(path)}" cannot be read (${reason})`,
      { cause: error },
    );
  }
}

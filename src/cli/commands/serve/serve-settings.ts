/** What the options of `serve` mean together. Pure. */
import { resolve } from 'node:path';
import { CairnError } from '../../../base/errors.ts';
import { isLoopbackHost } from '../../../base/loopback.ts';
import { printable } from '../../../base/safe-path.ts';
import type { ServerLimits } from '../../../server/server-limits.ts';
import { stateOf } from '../../access/served-directories.ts';
import type { ListenAddress } from '../../options/addresses.ts';
import { usage } from '../../options/usage.ts';
import type { ServeValues } from './serve-command.ts';
import { oidcSettingsOf, type OidcSettings } from './serve-oidc.ts';
import { tlsSettingsOf, type ServeTlsSettings } from './serve-tls.ts';

/** Values that the settings keep as they are. */
type Kept =
  | 'listen'
  | 'metricsListen'
  | 'trustedProxy'
  | 'sessionLease'
  | 'sessionMaxAge'
  | 'sync'
  | 'networkRoot'
  | 'allowOwners'
  | 'json'
  | 'logLevel';

/** The settings of one `cairn serve`. Paths are absolute; the server has its own default for each undefined one. */
export interface ServeSettings extends Pick<ServeValues, Kept> {
  readonly root: string;
  readonly state: string;
  /** Undefined: plain HTTP. */
  readonly tls: ServeTlsSettings | undefined;
  /** Undefined: only the server's own access tokens. */
  readonly oidc: OidcSettings | undefined;
  /** What was set; the server's default for everything else. */
  readonly limits: Partial<ServerLimits>;
}

/** Validates the options. @throws CairnError `usage`, `insecure-listen`, `config-invalid` */
export function serveSettingsOf(values: ServeValues): ServeSettings {
  const { listen, metricsListen, trustedProxy, limit = {} } = values;
  const { sessionLease, sessionMaxAge, sync, networkRoot, allowOwners, json, logLevel } = values;
  if (values.root === undefined)
    throw usage('serve needs --root, the directory to serve', 'cairn serve --root /srv/files');
  if (values.dryRun && !values.check)
    throw usage('serve takes --dry-run only with --check', 'cairn serve --check --dry-run --root /srv/files');
  const root = resolve(values.root);
  const tls = tlsSettingsOf(values);
  if (tls === undefined && !values.insecureListen) refuseOpen(listen);
  if (metricsListen !== undefined && !values.insecureListen) refuseOpenMetrics(metricsListen);
  const kept = { listen, metricsListen, trustedProxy, sessionLease, sessionMaxAge, sync, networkRoot };
  return {
    ...kept,
    allowOwners,
    json,
    logLevel,
    root,
    state: stateOf(root, values.state),
    tls,
    oidc: oidcSettingsOf(values),
    limits: limit === 'help' ? {} : limit,
  };
}

function refuseOpen({ host, port }: ListenAddress): void {
  if (isLoopbackHost(host)) return;
  throw new CairnError(
    'insecure-listen',
    `--listen ${printable(host)} is reachable from other machines, and without TLS others on the network could read tokens ` +
      `and files; give --tls-cert and --tls-key, or listen on 127.0.0.1:${port} behind a reverse proxy with TLS ` +
      '(nginx, Caddy), or give --insecure-listen on a network that you trust',
  );
}

/** This port asks for no token: beyond this machine it has to be asked for as an open main port has. */
function refuseOpenMetrics({ host, port }: ListenAddress): void {
  if (isLoopbackHost(host)) return;
  throw new CairnError(
    'insecure-listen',
    `--metrics-listen ${printable(host)} is reachable from other machines, and this port asks for no token: ` +
      `listen on 127.0.0.1:${port}, or give --insecure-listen on a network that you trust`,
  );
}

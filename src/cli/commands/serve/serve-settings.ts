/** What the options of `serve` mean together. Pure. */
import { resolve } from 'node:path';
import { CairnError } from '../../../base/errors.ts';
import { isLoopbackHost } from '../../../base/loopback.ts';
import { printable } from '../../../base/safe-path.ts';
import type { ServerLimits } from '../../../server/server-limits.ts';
import { stateOf } from '../../access/served-directories.ts';
import type { ListenAddress } from '../../options/addresses.ts';
import type { RedisPlace } from '../../../storage/state/redis/redis-link.ts';
import { storeAddressOf, type StoreAddress } from '../../options/store-address.ts';
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
  | 'drainDelay'
  | 'sync'
  | 'allowOwners'
  | 'json'
  | 'logLevel';

/** The settings of one `cairn serve`. Paths are absolute; the server has its own default for each undefined one. */
export type ServeSettings = RootSettings | StoreSettings;

/** Those of the only server of a directory. */
export interface RootSettings extends CommonSettings {
  readonly root: string;
  readonly state: string;
  readonly networkRoot: boolean;
}

/** Those of one of several servers that share a store of objects. */
export interface StoreSettings extends CommonSettings {
  readonly store: StoreAddress;
  /** Where this server keeps what is its own; undefined: in the state home of the user. */
  readonly state: string | undefined;
  /** Undefined: the servers of the store share nothing but that. */
  readonly redis: RedisPlace | undefined;
}

interface CommonSettings extends Pick<ServeValues, Kept> {
  /** Undefined: plain HTTP. */
  readonly tls: ServeTlsSettings | undefined;
  /** Undefined: only the server's own access tokens. */
  readonly oidc: OidcSettings | undefined;
  /** What was set; the server's default for everything else. */
  readonly limits: Partial<ServerLimits>;
}

/** Validates the options. @throws CairnError `usage`, `insecure-listen`, `config-invalid` */
export function serveSettingsOf(values: ServeValues): ServeSettings {
  if (values.dryRun && !values.check)
    throw usage('serve takes --dry-run only with --check', 'cairn serve --check --dry-run --root /srv/files');
  const { root, state, networkRoot } = values;
  const store = storeAddressOf(values);
  if (store !== undefined) {
    refuseOfRoot(values);
    const { redis } = values;
    return { ...commonOf(values), store, redis, state: state === undefined ? undefined : resolve(state) };
  }
  if (values.redis !== undefined)
    throw usage(
      '--redis needs --store: the only server of a root shares nothing',
      `--store DIRECTORY --redis ${values.redis.shown}`,
    );
  if (root === undefined)
    throw usage(
      'serve needs --root, the directory to serve, or --store, what several servers share',
      'cairn serve --root /srv/files',
    );
  const path = resolve(root);
  return { ...commonOf(values), root: path, state: stateOf(path, state), networkRoot };
}

function commonOf(values: ServeValues): CommonSettings {
  const { listen, metricsListen, trustedProxy, limit = {} } = values;
  const { sessionLease, sessionMaxAge, drainDelay, sync, allowOwners, json, logLevel } = values;
  const tls = tlsSettingsOf(values);
  if (tls === undefined && !values.insecureListen) refuseOpen(listen);
  if (metricsListen !== undefined && !values.insecureListen) refuseOpenMetrics(metricsListen);
  const kept = { listen, metricsListen, trustedProxy, sessionLease, sessionMaxAge, drainDelay, sync };
  return {
    ...kept,
    allowOwners,
    json,
    logLevel,
    tls,
    oidc: oidcSettingsOf(values),
    limits: limit === 'help' ? {} : limit,
  };
}

/** What only a directory on a disk has. */
function refuseOfRoot({ root, networkRoot, sync, allowOwners, limit = {} }: ServeValues): void {
  const refuse = (option: string, why: string): never => {
    throw usage(
      `serve takes ${option} only with --root, not with --store: ${why}`,
      'cairn serve --store DIRECTORY',
    );
  };
  if (root !== undefined) refuse('one of --root and --store', 'it serves the one or the other');
  if (networkRoot) refuse('--network-root', 'no file is published into a file system');
  if (sync !== undefined) refuse('--sync', 'each chunk is durable before it is confirmed');
  if (allowOwners) refuse('--allow-owners', 'a store keeps no owners');
  if (limit !== 'help' && limit.keepFreeBytes !== undefined)
    refuse('--limit free-disk', 'a store does not tell how much room it has');
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

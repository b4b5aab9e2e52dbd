/** The words of `serve` → a plan. Pure. */
import { join, relative, resolve, sep } from 'node:path';
import type { AddressRange } from '../../../base/address-range.ts';
import { CairnError } from '../../../base/errors.ts';
import { isLoopbackHost } from '../../../base/loopback.ts';
import { printable, RESERVED_NAME } from '../../../base/safe-path.ts';
import type { ServerLimits } from '../../../server/server-limits.ts';
import { limitsOf } from './serve-limits.ts';
import { SYNC_MODES, type SyncMode } from '../../../session/sync-mode.ts';
import { planServeTls, type ServeTlsPlan, type ServeTlsWords } from './serve-tls-plan.ts';
import { planOidc, type OidcPlan, type OidcWords } from './serve-oidc.ts';
import { LOG_LEVELS } from '../../options/choices.ts';
import { parseChoice } from '../../options/count.ts';
import { parseAddressRanges } from '../../options/address-ranges.ts';
import { parseDuration } from '../../options/duration.ts';
import { parseListenAddress, type ListenAddress } from '../../options/listen-address.ts';
import { usage } from '../../options/usage.ts';

/** The options as commander hands them over. */
export interface ServeWords extends ServeTlsWords, OidcWords {
  readonly root?: string;
  readonly listen?: string;
  readonly metricsListen?: string;
  readonly state?: string;
  readonly sessionLease?: string;
  readonly sessionMaxAge?: string;
  readonly sync?: string;
  /** `NAME=VALUE`, as often as it was given. */
  readonly limit?: readonly string[];
  readonly insecureListen?: boolean;
  readonly networkRoot?: boolean;
  /** One for each time that the option was given. */
  readonly trustedProxy?: readonly string[];
  readonly json?: boolean;
  readonly logLevel?: string;
  /** Examines and repairs what is kept, and serves nothing. */
  readonly check?: boolean;
  readonly dryRun?: boolean;
}

/** What `cairn serve` was told to do. Paths are absolute. */
export interface ServePlan {
  readonly root: string;
  readonly state: string;
  readonly listen: ListenAddress;
  /** Undefined: plain HTTP. */
  readonly tls: ServeTlsPlan | undefined;
  /** Reverse proxies whose word on the addresses of clients is taken. */
  readonly trustedProxies: readonly AddressRange[];
  /** Where to answer about the server's health without a token; nowhere, where undefined. */
  readonly metricsListen: ListenAddress | undefined;
  /** Undefined: the server's default. */
  readonly leaseMs: number | undefined;
  /** Undefined: the server's default. */
  readonly maxAgeMs: number | undefined;
  /** Undefined: the server's default. */
  readonly sync: SyncMode | undefined;
  /** Whether root and state may lie on a network file system. */
  readonly networkRoot: boolean;
  /** Undefined: only the server's own access tokens. */
  readonly oidc: OidcPlan | undefined;
  /** What was set; the server's default for everything else. */
  readonly limits: Partial<ServerLimits>;
  readonly json: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number] | undefined;
}

const DEFAULT_LISTEN = '127.0.0.1:7070';
const DAY_MS = 86_400_000;
const MAX_AGE_RANGE_MS = { minMs: 1000, maxMs: 10 * 365 * DAY_MS };
const LEASE_RANGE_MS = { minMs: 1000, maxMs: 365 * DAY_MS };

/** Validates the options. @throws CairnError `usage`, `insecure-listen`, `config-invalid` */
export function planServe(words: ServeWords): ServePlan {
  const { sessionLease, sessionMaxAge, sync, logLevel } = words;
  if (words.root === undefined || words.root === '') {
    throw usage('serve needs --root, the directory to serve', 'cairn serve --root /srv/files');
  }
  if (words.dryRun === true && words.check !== true) {
    throw usage('serve takes --dry-run only with --check', 'cairn serve --check --dry-run --root /srv/files');
  }
  const root = resolve(words.root);
  const listen = parseListenAddress('--listen', words.listen ?? DEFAULT_LISTEN);
  const tls = planServeTls(words);
  if (!isLoopbackHost(listen.host) && tls === undefined && words.insecureListen !== true) {
    throw insecure(listen);
  }
  const { metricsListen } = words;
  const metrics = metricsListen === undefined ? undefined : planMetrics(metricsListen, words);
  return {
    root,
    state: stateOf(root, words.state),
    listen,
    tls,
    trustedProxies: parseAddressRanges('--trusted-proxy', words.trustedProxy ?? []),
    metricsListen: metrics,
    leaseMs:
      sessionLease === undefined ? undefined : parseDuration('--session-lease', sessionLease, LEASE_RANGE_MS),
    maxAgeMs:
      sessionMaxAge === undefined
        ? undefined
        : parseDuration('--session-max-age', sessionMaxAge, MAX_AGE_RANGE_MS),
    sync: sync === undefined ? undefined : parseChoice('--sync', sync, SYNC_MODES),
    networkRoot: words.networkRoot ?? false,
    oidc: planOidc(words),
    limits: limitsOf(words.limit ?? []),
    json: words.json ?? false,
    logLevel: logLevel === undefined ? undefined : parseChoice('--log-level', logLevel, LOG_LEVELS),
  };
}

/** This port asks nobody for a token: beyond this machine it has to be asked for as an open main port has. */
function planMetrics(text: string, { insecureListen }: ServeWords): ListenAddress {
  const listen = parseListenAddress('--metrics-listen', text);
  if (isLoopbackHost(listen.host) || insecureListen === true) return listen;
  throw new CairnError(
    'insecure-listen',
    `--metrics-listen ${printable(listen.host)} is reachable from other machines, and this port asks for no token: ` +
      `listen on 127.0.0.1:${listen.port}, or give --insecure-listen on a network that you trust`,
  );
}

/**
 * Where the state of a server is. It has the server's tokens: inside the root only the reserved directory is never served.
 *
 * @throws CairnError `config-invalid`
 */
export function stateOf(root: string, word: string | undefined): string {
  const reserved = join(root, RESERVED_NAME);
  if (word === undefined) return reserved;
  const state = resolve(word);
  const [first] = relative(root, state).split(sep);
  if (first === '..' || first === RESERVED_NAME) return state;
  throw stateInside(root, state);
}

/** The error for a state that would be served. */
export function stateInside(root: string, state: string): CairnError {
  return new CairnError(
    'config-invalid',
    `--state "${printable(state)}" lies inside the root, where it would be served; ` +
      `leave the option out (for "${printable(join(root, RESERVED_NAME))}"), or name a directory outside of the root`,
  );
}

function insecure({ host, port }: ListenAddress): CairnError {
  return new CairnError(
    'insecure-listen',
    `--listen ${printable(host)} is reachable from other machines, and without TLS others on the network could read tokens ` +
      `and files; give --tls-cert and --tls-key, or listen on 127.0.0.1:${port} behind a reverse proxy with TLS ` +
      '(nginx, Caddy), or give --insecure-listen on a network that you trust',
  );
}

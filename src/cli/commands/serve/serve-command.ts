/** `cairn serve` with its options. */
import type { Command } from 'commander';
import { CairnError } from '../../../base/errors.ts';
import { parseIssuerUrl } from '../../../base/issuer-url.ts';
import { checkRelativePath, printable } from '../../../base/safe-path.ts';
import type { ServerLimits } from '../../../server/server-limits.ts';
import { SCOPES, type Scope } from '../../../session/scopes.ts';
import { SYNC_MODES } from '../../../session/sync-mode.ts';
import { addNotes } from '../../help/notes.ts';
import { parseAddressRanges, parseListenAddress } from '../../options/addresses.ts';
import { addJson } from '../../options/client-options.ts';
import {
  addOptions,
  choice,
  file,
  flag,
  GROUPS,
  list,
  ofThisCommand,
  text,
  value,
  withFallback,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { parseDuration } from '../../options/quantities.ts';
import { BUCKET_OPTIONS } from '../../options/store-address.ts';
import { usage } from '../../options/usage.ts';
import { parseRedisUrl } from './redis-url.ts';

const DAY_MS = 86_400_000;
const MAX_AGE_RANGE = { minMs: 1000, maxMs: 10 * 365 * DAY_MS };
const DELAY_RANGE = { minMs: 0, maxMs: 600_000 };
const LEASE_RANGE = { minMs: 1000, maxMs: 365 * DAY_MS };
const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const;
const LOOPBACK = { host: '127.0.0.1', port: 7070 };

const CONTENT = {
  // Not an option that commander requires: the error for a missing root has an example.
  root: text('--root <dir>', 'the directory to serve (this or --store is required)'),
  store: text(
    '--store <store>',
    'serve from what any number of servers share: s3://BUCKET[/PREFIX], or a directory of objects',
  ),
  ...BUCKET_OPTIONS,
  redis: value(
    '--redis <url>',
    'with --store: a Redis or Valkey that all its servers share, which makes them quick and lets them count together',
    parseRedisUrl,
  ),
  networkRoot: flag(
    '--network-root',
    'allow a root or a state on a network file system (NFS, SMB, …), which is refused otherwise',
  ),
  state: text(
    '--state <dir>',
    'where the server keeps sessions and tokens (default: ROOT/.cairn, which is never served); with --store only the secret of the first token',
  ),
  allowOwners: flag(
    '--allow-owners',
    'let pushes with the scope write set owners, groups and access control lists (only for clients that you trust with root)',
  ),
  sync: choice(
    '--sync <mode>',
    'when pushed bytes are made durable: always, group (default) or close',
    SYNC_MODES,
  ),
};

/** Where it listens, and how it is reached. */
const LINE = {
  listen: withFallback(
    value(
      '--listen <host:port>',
      'where to listen (default: 127.0.0.1:7070; port 0: any free one)',
      parseListenAddress,
    ),
    LOOPBACK,
  ),
  insecureListen: flag('--insecure-listen', 'listen beyond this machine without TLS'),
  tlsCert: file(
    '--tls-cert <file>',
    'speak TLS with this certificate, its issuers after it (PEM; SIGHUP reads it again)',
  ),
  tlsKey: file('--tls-key <file>', 'its private key (PEM, not encrypted, readable only by you)'),
  trustedProxy: withFallback(
    list(
      '--trusted-proxy <cidr>',
      'believe the client addresses that this reverse proxy names; may be repeated, or a list with commas',
      parseAddressRanges,
    ),
    [],
  ),
  metricsListen: value(
    '--metrics-listen <host:port>',
    'also answer /healthz, /readyz and /metrics on this port, without a token (default: only below /.cairn/)',
    parseListenAddress,
  ),
};

const LIMITS = {
  limit: list(
    '--limit <name=value>',
    'change a limit; may be repeated, or a list with commas; "--limit help" lists all limits',
    async (_option, words): Promise<Partial<ServerLimits> | 'help'> =>
      // The limits of a server are loaded where they are asked for.
      words.includes('help') ? 'help' : (await import('./serve-limits.ts')).limitsOf(words),
  ),
  sessionLease: value(
    '--session-lease <duration>',
    'how long an unfinished transfer is kept after the last request of its client (default: 7d)',
    (option, word) => parseDuration(option, word, LEASE_RANGE),
  ),
  sessionMaxAge: value(
    '--session-max-age <duration>',
    'how long a transfer may take in all (default: 90d)',
    (option, word) => parseDuration(option, word, MAX_AGE_RANGE),
  ),
};

/** How it ends. */
const END = {
  drainDelay: withFallback(
    value(
      '--drain-delay <duration>',
      'upon SIGTERM, for how long /readyz says 503 while everything is still served, so that a balancer sends nothing new (default: 0s)',
      (option, word) => parseDuration(option, word, DELAY_RANGE),
    ),
    0,
  ),
};

/** Who may use it, besides the holders of its own tokens. */
const ACCESS = {
  oidcIssuer: value(
    '--oidc-issuer <url>',
    'also accept access tokens of this OpenID Connect issuer',
    (option, word) => {
      parseIssuerUrl(word, option, 'config-invalid');
      return word;
    },
  ),
  oidcAudience: text('--oidc-audience <name>', 'the audience that its tokens must name'),
  oidcClientId: text('--oidc-client-id <id>', 'id of cairn login at the issuer'),
  oidcConfig: file('--oidc-config <file>', 'JSON: which claims mean which scopes and paths'),
  tlsClientCa: file(
    '--tls-client-ca <file>',
    'accept client certificates of these authorities in place of tokens (PEM)',
  ),
  tlsClientScope: {
    ...value(
      '--tls-client-scope <scopes>',
      'scopes of a certificate: read, write, append, drop, list, admin (default: read,write,list)',
      parseScopes,
    ),
    choices: SCOPES,
  },
  tlsClientPath: value(
    '--tls-client-path <path>',
    'path that a certificate is confined to; {cn} is the name in it (default: /)',
    parsePath,
  ),
};

const INSTEAD = ofThisCommand({
  check: flag('--check', 'serve nothing: examine and repair the state of a server that was stopped'),
  dryRun: flag('-n, --dry-run', 'with --check: report everything, and change nothing'),
});
const LOG = {
  logLevel: choice(
    '--log-level <level>',
    'error, warn, info, debug or silent (default: info; warn on a terminal)',
    LOG_LEVELS,
  ),
};

/** What a user says of a server; files are absolute paths, durations milliseconds. */
export type ServeValues = ValuesOf<
  typeof CONTENT & typeof LINE & typeof END & typeof LIMITS & typeof ACCESS & typeof INSTEAD & typeof LOG
> & { readonly json: boolean };

/** What runs the command: the server, or what was asked for in its place. */
interface ServeRuns {
  readonly serve: Run<[values: ServeValues]>;
  readonly check: Run<[values: ServeValues]>;
  readonly limitsHelp: Run<[]>;
}

const NOTES = `
Examples:
  cairn serve --root /srv/files
  cairn serve --root /srv/files --listen 127.0.0.1:8080 --state /var/lib/cairn
  cairn serve --root . --listen 127.0.0.1:0 --json  any free port; the first line on stdout says which
  cairn serve --root /srv/files --sync always       every confirmed chunk outlives a power cut
  cairn serve --root /srv/files --listen 0.0.0.0:7443 --tls-cert fullchain.pem --tls-key privkey.pem
  cairn serve --limit help                          list the limits with their names and defaults
  cairn serve --root /srv/files --limit staging=500G --limit connections-per-address=1024
  cairn serve --check --root /srv/files             after a crash or a bad disk, while no server runs
  cairn serve --check --store s3://files/cairn      the same for what several servers share, while none of them runs
  cairn serve --store s3://files/cairn              one of several servers that share a bucket, behind a balancer

The first start makes an access token and says in which file it is. Without TLS the server listens only on the loopback
interface: give it a certificate, put a reverse proxy with TLS before it, or give --insecure-listen on a network that you
trust.
GET /.cairn/healthz and /.cairn/readyz need no token; GET /.cairn/metrics (Prometheus) needs one with the scope admin.
With --metrics-listen a second port answers /healthz, /readyz and /metrics without a token.
Upon SIGTERM or SIGINT the server finishes the requests that run and ends with 0; a second signal ends it at once. Behind a
balancer give --drain-delay some seconds more than it takes to notice that /readyz says 503.

With --oidc-issuer and --oidc-audience the server also accepts access tokens (JWT, RFC 9068) of that OpenID Connect issuer:
  cairn serve --root /srv/files --oidc-issuer https://login.example.com --oidc-audience https://files.example.com \\
    --oidc-client-id cairn-cli --oidc-config /etc/cairn/oidc.json
The issuer may be away, at the start too; keys that were fetched stay good. --oidc-config is a file of JSON in which every
member is optional; these are the defaults: {"scopeClaim":"scope","scopes":{"cairn:read":"read","cairn:write":"write",
"cairn:list":"list","cairn:admin":"admin"},"principalClaim":"sub","clockToleranceSeconds":30,
"algorithms":["RS256","PS256","ES256","EdDSA"],"anyType":false}; also "path":"/home/{sub}" or "pathClaim":"NAME" (the
path that a token is confined to) and "loginScopes":["…"] (the scopes that cairn login asks for).

--sync is the mode of a push that does not ask for a stricter one. always: the server confirms a chunk once it is durable.
group: a sync point every half second and every 64 MiB. close: one when a client asks, and before anything is published.

With --tls-cert and --tls-key the server speaks TLS 1.2 and later. SIGHUP makes it read the files again without dropping a
transfer (it logs a bad file, and keeps the certificate that it has). With --tls-client-ca a client that shows a certificate of
one of these authorities needs no token: --tls-client-scope says what it may do, --tls-client-path where, for example
/home/{cn}. An Authorization header counts first. When SIGHUP finds an authority removed, its clients are stopped at once.

With --store any number of servers serve the same files, sessions, tokens, grants and quotas from one bucket, or from one
directory of objects on a file system that they share. A balancer may send each request to any of them: none is tied to a session,
and a transfer goes on when one of them dies. The store is no tree of plain files: only cairn reads it. The service of a bucket has
to keep the conditions of PutObject (AWS S3, Ceph, MinIO); each start proves that. The keys for it come from the variables of AWS
(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE), or from the role of the container or the
instance. --s3-endpoint names another service: https://s3.example.org, or https://{bucket}.s3.example.org where the bucket is part
of its name.

--redis redis://HOST:PORT (rediss:// with TLS, /N for a database) names what these servers tell and count together: a change at
one is known at the others at once, failed tokens and quotas are counted over all of them. It may be lost or emptied at any time;
the store alone is the truth. A password comes from CAIRN_REDIS_PASSWORD, CAIRN_REDIS_PASSWORD_FILE, or the URL in CAIRN_REDIS.

Behind a reverse proxy, --trusted-proxy names the address of that proxy: only then X-Forwarded-For and Forwarded count.

--check reads every staged chunk of every unfinished transfer and compares it with its record. It withdraws a wrong chunk, which
the client then sends again; it frees staged bytes that no transfer needs; it ends a transfer that cannot be resumed, which the
client then starts over. Give it the --root and --state of the server: it does not look at published files then, as cairn verify
does. With --store it also looks at each page of the published tree, and whether each object is there that a file names; it frees
objects that nothing needs. Every server of the store has to be stopped.
Exit 0: everything is right, or was repaired. 7: something could not be repaired. 8: a server runs. 9: the storage failed.`;

/** Adds `serve`. */
export function addServe(program: Command, runs: ServeRuns): void {
  const serve = program.command('serve').description('serve a directory');
  addOptions(serve, 'What to serve:', CONTENT);
  addOptions(serve, 'Where to listen:', LINE);
  addOptions(serve, 'How much, and how long:', { ...LIMITS, ...END });
  addOptions(serve, 'Who may use it:', ACCESS);
  addOptions(serve, 'Instead of serving:', INSTEAD);
  addOptions(serve, GROUPS.output, LOG);
  addJson(serve, 'print {"type":"listening",…} on stdout once connections are accepted');
  addNotes(serve, NOTES).action((values: ServeValues) => {
    if (values.limit === 'help') return runs.limitsHelp();
    return values.check ? runs.check(values) : runs.serve(values);
  });
}

function parseScopes(option: string, word: string): readonly Scope[] {
  return word.split(',').map((name) => {
    const scope = SCOPES.find((known) => known === name.trim());
    if (scope !== undefined) return scope;
    throw usage(`${option} takes some of ${SCOPES.join(', ')}, not "${name}"`, `${option} read,list`);
  });
}

function parsePath(option: string, word: string): readonly string[] {
  if (word === '/') return [];
  const example = `${option} /home/{cn}`;
  if (!word.startsWith('/')) throw usage(`${option} takes a path that begins with "/"`, example);
  const names = word.replace(/\/$/, '').slice(1).split('/');
  if (names.some((name) => name !== '{cn}' && /[{}]/.test(name)))
    throw usage(`in ${option} {cn} has to be a whole name between slashes`, example);
  try {
    checkRelativePath(names.join('/'));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const message = `${option} "${printable(word)}": ${error.message}`;
    throw new CairnError('config-invalid', message, { cause: error });
  }
  return names;
}

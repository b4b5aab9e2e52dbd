/** Examples and notes that follow the options in the help texts. */
import { SCOPES, SCOPE_TABLE } from '../../session/scopes.ts';

const URL_NOTE = `
A URL is http(s)://HOST[:PORT]/PATH. Percent-encode special characters in a name (a blank is %20).`;

/** Where the commands of a client take their token from. */
export const TOKEN_NOTE = `
The access token comes from --token-file, else from CAIRN_TOKEN, else from cairn login, else, where the same user runs the
server on this machine, from the token file of that server.`;

/** How a client speaks https. */
export const TLS_NOTE = `
With https cairn trusts the authorities of Node.js and of NODE_EXTRA_CA_CERTS, or only those in --tls-ca. For servers that
accept client certificates, give --tls-client-cert and --tls-client-key. A certificate that is not trusted ends the command;
no option skips the check.
Proxies come from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, also in lower case; SOCKS proxies do not work. A server on
this machine is reached without a proxy, unless CAIRN_PROXY_LOOPBACK=1.`;

const SYNC_NOTE = `
--sync says how much a crash of the receiver may cost. always: nothing of a chunk that the receiver has confirmed. group:
the bytes of the last half second. close: everything since the last sync point that a side asked for, with the least work for
the disk. In every mode exit 0 means durable and verified.`;

const COMPRESS_NOTE = `
--compress auto compresses once the connection has turned out to be slow: below 25 MB a second with zstd (where both sides
run on Node.js 22.15 or later), below 8 MB a second with gzip. --compress always compresses at any speed. In both modes a chunk
that does not shrink is sent as it is; to an older cairn, every chunk is.`;

const EXIT_NOTE = `
Exit codes: 0 done and verified, 2 usage, 3 partial (each entry that was left out is named), 4 not found, 5 network (run again
to resume), 6 not allowed, 7 integrity, 8 another client has this transfer, 9 storage, 10 the session is gone (run again to
start over), 11 the command of --from-command failed, 130/143 interrupted (run again to resume), 1 a bug in cairn.`;

/** After the help of `cairn` itself. */
export const MAIN_HELP = `
Examples:
  cairn serve --root /srv/files                     serve a directory on http://127.0.0.1:7070/
  cairn push ~/photos http://127.0.0.1:7070/photos  the entries of ~/photos appear under /photos
  cairn pull http://127.0.0.1:7070/photos ~/copy    fetch them again
  cairn demo                                        watch it survive cuts and kills

Running the same push or pull again resumes it.

The environment can give every option, too: --retry-for 1h is CAIRN_RETRY_FOR=1h, or CAIRN_PUSH_RETRY_FOR=1h for push
alone, which counts first; an option without a value takes 1 or 0. The command line counts before both.
${EXIT_NOTE}`;

/** After the help of `cairn serve`. */
export const SERVE_HELP = `
Examples:
  cairn serve --root /srv/files
  cairn serve --root /srv/files --listen 127.0.0.1:8080 --state /var/lib/cairn
  cairn serve --root . --listen 127.0.0.1:0 --json  any free port; the first line on stdout says which
  cairn serve --root /srv/files --sync always       every confirmed chunk outlives a power cut
  cairn serve --root /srv/files --listen 0.0.0.0:7443 --tls-cert fullchain.pem --tls-key privkey.pem
  cairn serve --limit help                          list the limits with their names and defaults
  cairn serve --root /srv/files --limit staging=500G --limit connections-per-address=1024
  cairn serve --check --root /srv/files             after a crash or a bad disk, while no server runs

The first start makes an access token and says in which file it is. Without TLS the server listens only on the loopback
interface: give it a certificate, put a reverse proxy with TLS before it, or give --insecure-listen on a network that you
trust.
GET /.cairn/healthz and /.cairn/readyz need no token; GET /.cairn/metrics (Prometheus) needs one with the scope admin.
With --metrics-listen a second port answers /healthz, /readyz and /metrics without a token.
Upon SIGTERM or SIGINT the server finishes the requests that run and ends with 0; a second signal ends it at once.

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

Behind a reverse proxy, --trusted-proxy names the address of that proxy: only then X-Forwarded-For and Forwarded count.

--check reads every staged chunk of every unfinished transfer and compares it with its record. It withdraws a wrong chunk, which
the client then sends again; it frees staged bytes that no transfer needs; it ends a transfer that cannot be resumed, which the
client then starts over. Give it the --root and --state of the server. It does not look at published files: cairn verify does.
Exit 0: everything is right, or was repaired. 7: something could not be repaired. 8: a server runs. 9: the storage failed.`;

/** After the help of `cairn push`. */
export const PUSH_HELP = `
Examples:
  cairn push ~/photos http://127.0.0.1:7070/photos     the entries of ~/photos appear under /photos
  cairn push report.pdf http://127.0.0.1:7070/inbox/   as /inbox/report.pdf
  cairn push report.pdf http://127.0.0.1:7070/r.pdf    exactly there
  tar c ~/src | cairn push - http://127.0.0.1:7070/src.tar
  cairn push --from-command http://127.0.0.1:7070/db.sql -- pg_dump mydb
  cairn push --sync always ledger.db http://127.0.0.1:7070/ledger.db

With --from-command cairn publishes nothing unless the command exits with 0; otherwise cairn exits with 11.
${SYNC_NOTE}
A push gets the stricter of its own mode and the server's.
${COMPRESS_NOTE}
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}
${EXIT_NOTE}`;

/** After the help of `cairn pull`. */
export const PULL_HELP = `
Examples:
  cairn pull http://127.0.0.1:7070/photos ~/photos
  cairn pull http://127.0.0.1:7070/inbox/report.pdf .
  cairn pull http://127.0.0.1:7070/src.tar - | tar x
  cairn pull --sync close http://127.0.0.1:7070/photos ~/photos
${SYNC_NOTE}
${COMPRESS_NOTE}
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}
${EXIT_NOTE}`;

/** After the help of `cairn ls`. */
export const LS_HELP = `
Examples:
  cairn ls http://127.0.0.1:7070/
  cairn ls -R --json http://127.0.0.1:7070/photos
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}`;

/** After the help of `cairn verify`. */
export const VERIFY_HELP = `
Examples:
  cairn verify ~/photos http://127.0.0.1:7070/photos

Exit 0: contents, types, sizes and link targets agree; modes and times that differ are named, and do not count. Exit 3: some
entries could not be read, the others agree. Exit 7: something differs.
${URL_NOTE}
${TOKEN_NOTE}
${TLS_NOTE}`;

/** After the help of `cairn login`. */
export const LOGIN_HELP = `
Examples:
  cairn login https://files.example.com/
  cairn login https://files.example.com/ --issuer https://login.example.com
  cairn login https://files.example.com/ --status
  cairn logout https://files.example.com/

The server names the issuer (OpenID Connect) of its access tokens. cairn shows the address of a page and a code; open the page
in any browser, on any machine, and approve. cairn opens no browser and asks for no password. Look at the name of the issuer
first: the owner of the server chose it.

The tokens are kept in $XDG_CONFIG_HOME/cairn/credentials (~/.config/cairn/credentials), readable only by you. cairn shows them
only to that server (scheme, host and port) and to the issuer, and renews them, also in the middle of a transfer, for as long as
the issuer allows.`;

/** After the help of `cairn transfers`. */
export const TRANSFERS_HELP = `
Examples:
  cairn transfers                    list the unfinished transfers of this machine
  cairn transfers resume             resume all of them, one after the other
  cairn transfers show ID
  cairn transfers rm ID              remove one; running its command again starts over

The beginning of an ID is enough.`;

/** The table of scopes, a line for each. */
function scopeLines(): string {
  return SCOPES.map((scope) => `  ${scope.padEnd(8)} ${SCOPE_TABLE[scope].says}`).join('\n');
}

/** After the help of `cairn token`. */
export const TOKEN_HELP = `
Examples:
  cairn token create backup --root /srv/files --scope write --path /backups --expires 30d --token-out backup.token
  cairn token create auditor --root /srv/files --scope read,list --quota-sessions 2
  cairn token create camera --root /srv/files --scope append --path /camera
  cairn token list --root /srv/files
  cairn token revoke backup --root /srv/files

Run it on the machine of the server, as the user of the server, with the same --root or --state. A server that runs learns of
each change within half a second. cairn keeps only a hash of a secret: make a new token in place of one whose secret is lost.

Scopes:
${scopeLines()}

Without the scope list or read a push does not learn which entries the server has, and sends all of them; without read it
compares no contents.

cairn token list shows how many transfers of each token are unfinished and, for a token with a quota of bytes, how much of that
is used by bytes that were pushed or are on their way.

A token has an owner, by default its own name. Transfers belong to the owner: a new token of the same owner resumes the
transfers that an expired or revoked one has begun.`;

/** After the help of `cairn grant`. */
export const GRANT_HELP = `
Examples:
  cairn grant https://files.example.org/inbox/alice --push --expires 7d --max-bytes 10G --out alice.grant
  cairn grant https://files.example.org/inbox/all --drop --expires 30d --max-bytes 1G --out drop.grant
  cairn grant https://files.example.org/photos --pull --expires 24h > photos.grant
  cairn grant --list https://files.example.org/
  cairn grant --revoke ID https://files.example.org/

A client takes a grant in place of an access token, and can resume with it:
  cairn push --token-file alice.grant report.pdf https://files.example.org/inbox/alice/

A grant allows no more than the access token that asked for it: the same scopes, path and quota, and no longer. It ends with
that token. Bytes that are pushed with a grant also count for the quota of that token.

With --push the client learns nothing of the files that the server has: it sends everything, and replaces files of the same
name. With --append a file that exists stays as it is; the client names it and leaves it out (exit 3). With --drop it stays as
it is, too, and the new file gets another name: "report.pdf" becomes "report (2).pdf", which the client does not learn.
${TOKEN_NOTE}`;

/** After the help of `cairn completion`. */
export const COMPLETION_HELP = `
Examples:
  source <(cairn completion bash)          in ~/.bashrc
  source <(cairn completion zsh)           in ~/.zshrc, after compinit
  cairn completion fish > ~/.config/fish/completions/cairn.fish

The shell then completes commands, options, fixed values, names of files and ids of transfers.`;

/** After the help of `cairn demo`. */
export const DEMO_HELP = `
Examples:
  cairn demo               about 210 MiB of made-up files
  cairn demo ~/photos      your own files, which are only read

The demo starts real processes on this machine: a server, a push through a proxy that cuts the connections, a client and a
server that it kills, a pull back, and a comparison byte for byte. It leaves nothing behind. Exit 0: everything agreed.`;

/** Examples and notes that follow the options in the help texts. */
import { SCOPES, SCOPE_TABLE } from '../session/scopes.ts';

const URL_NOTE = `
A URL is http(s)://HOST[:PORT]/PATH. Special characters in a name are percent-encoded (a blank is %20).`;

/** Where the commands of a client take their token from. */
export const TOKEN_NOTE = `
The access token comes from --token-file, else from CAIRN_TOKEN, else from cairn login, else, for a server that the same
user runs on this machine, from that server's own token file.`;

/** How a client speaks https. */
export const TLS_NOTE = `
https trusts the authorities of Node.js and of NODE_EXTRA_CA_CERTS, or only those in --tls-ca. For servers that accept
client certificates: --tls-client-cert and --tls-client-key. A certificate that is not trusted ends the command; there is no option to trust it all the same.
HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are honoured, also in lower case; SOCKS is not spoken. Servers on this
machine are reached without a proxy, unless CAIRN_PROXY_LOOPBACK=1.`;

const SYNC_NOTE = `
--sync says how much a crash of the receiver may cost. always: nothing of a chunk that was answered. group: what the
last half second brought. close: everything since the last time that somebody asked, and the least work for the disk.
Exit 0 means durable and verified in each of them.`;

const COMPRESS_NOTE = `
--compress auto compresses once the line turned out to be slow: below 25 MB a second with zstd, which both sides have from
Node 22.15 on, below 8 MB a second with gzip. always does not ask how fast the line is. Chunks that do not shrink go as
they are in each of them; an older cairn on the other side takes all of them so.`;

const EXIT_NOTE = `
Exit codes: 0 done and verified, 2 usage, 3 partial (what was left out is named), 4 not found, 5 network (run again to
resume), 6 not allowed, 7 integrity, 8 another client has this transfer, 9 storage, 10 the session is gone (run again to
start over), 11 the command of --from-command failed, 130/143 interrupted (run again to resume), 1 a bug in cairn.`;

/** After the help of `cairn` itself. */
export const MAIN_HELP = `
Examples:
  cairn serve --root /srv/files                     serve a directory on http://127.0.0.1:7070/
  cairn push ~/photos http://127.0.0.1:7070/photos  what is in ~/photos lands under /photos
  cairn pull http://127.0.0.1:7070/photos ~/copy    and back
  cairn demo                                        see it survive cuts and kills

Running the same push or pull again resumes it.

Every option can also be given by the environment: --retry-for 1h is CAIRN_RETRY_FOR=1h, or CAIRN_PUSH_RETRY_FOR=1h for
push alone, which goes first; options without a value take 1 or 0. What stands on the command line goes before both.
${EXIT_NOTE}`;

/** After the help of `cairn serve`. */
export const SERVE_HELP = `
Examples:
  cairn serve --root /srv/files
  cairn serve --root /srv/files --listen 127.0.0.1:8080 --state /var/lib/cairn
  cairn serve --root . --listen 127.0.0.1:0 --json  any free port; the first line on stdout says which
  cairn serve --root /srv/files --sync always       what a client was told to have arrived outlives a power cut
  cairn serve --root /srv/files --listen 0.0.0.0:7443 --tls-cert fullchain.pem --tls-key privkey.pem
  cairn serve --limit help                          what it allows, and the names to change that by
  cairn serve --root /srv/files --limit staging=500G --limit connections-per-address=1024
  cairn serve --check --root /srv/files             after a crash or a bad disk, while no server runs

The first start makes an access token and says in which file it is. Without TLS cairn listens only on the loopback
interface: give it a certificate, put a reverse proxy that speaks TLS before it, or say --insecure-listen on a network
that you trust.
GET /.cairn/healthz and /.cairn/readyz need no token; GET /.cairn/metrics (Prometheus) needs one with the scope admin.
With --metrics-listen they are also at /healthz, /readyz and /metrics of a port of their own, which asks for none.
SIGTERM or SIGINT finishes what is under way and ends with 0; a second one ends at once.

With --oidc-issuer and --oidc-audience the server also takes access tokens (JWT, RFC 9068) of that OpenID Connect issuer:
  cairn serve --root /srv/files --oidc-issuer https://login.example.com --oidc-audience https://files.example.com \\
    --oidc-client-id cairn-cli --oidc-config /etc/cairn/oidc.json
The issuer may be away at the start and later; keys that were fetched stay good. --oidc-config is JSON, all of it
optional, here with the defaults: {"scopeClaim":"scope","scopes":{"cairn:read":"read","cairn:write":"write",
"cairn:list":"list","cairn:admin":"admin"},"principalClaim":"sub","clockToleranceSeconds":30,
"algorithms":["RS256","PS256","ES256","EdDSA"],"anyType":false}; also "path":"/home/{sub}" or "pathClaim":"NAME" (the
path that a token is confined to) and "loginScopes":["…"] (what cairn login asks for).

--sync is what a push gets that does not ask for a stricter mode. always: a chunk is answered once it is durable. group:
every half second and 64 MiB. close: when a client asks, and before anything is published.

With --tls-cert and --tls-key it speaks TLS 1.2 and later, and SIGHUP reads the files again without dropping a transfer
(a bad file is logged, and what was there before stays). With --tls-client-ca whoever shows a client certificate of one
of these authorities needs no token: --tls-client-scope says what it may do, --tls-client-path where, for example
/home/{cn}. An Authorization header always goes first. An authority that is gone after SIGHUP stops its clients at once.

Behind a reverse proxy --trusted-proxy names its address: only then X-Forwarded-For and Forwarded are believed.

--check reads every staged chunk of every unfinished transfer and compares it with what was recorded. What is wrong is
withdrawn, so that it is sent again; what is of no use is freed; a transfer that cannot be resumed is ended, so that its
client starts over. Give it the --root and --state of the server. Published files are not looked at: see cairn verify.
Exit 0: all is well, or was repaired. 7: something could not be repaired. 8: a server runs. 9: the storage failed.`;

/** After the help of `cairn push`. */
export const PUSH_HELP = `
Examples:
  cairn push ~/photos http://127.0.0.1:7070/photos     the entries of ~/photos appear under /photos
  cairn push report.pdf http://127.0.0.1:7070/inbox/   as /inbox/report.pdf
  cairn push report.pdf http://127.0.0.1:7070/r.pdf    exactly there
  tar c ~/src | cairn push - http://127.0.0.1:7070/src.tar
  cairn push --from-command http://127.0.0.1:7070/db.sql -- pg_dump mydb
  cairn push --sync always ledger.db http://127.0.0.1:7070/ledger.db

With --from-command nothing is published unless the command exits with 0; otherwise cairn exits with 11.
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

Exit 0: content, types, sizes and link targets agree (other modes and times are named, but do not count). Exit 7: not.
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

The server says which issuer (OpenID Connect) makes its access tokens. cairn shows the address of a page and a code; open
the page in any browser, on any machine, and approve. No browser is opened, and no password is typed here. Look at the
name of the issuer first: whoever runs the server chose it.

The tokens are kept in $XDG_CONFIG_HOME/cairn/credentials (~/.config/cairn/credentials), readable only by you, and shown to
that server (scheme, host and port) and to the issuer only. They are renewed by themselves, also in the middle of a
transfer, for as long as the issuer allows.`;

/** After the help of `cairn transfers`. */
export const TRANSFERS_HELP = `
Examples:
  cairn transfers                    what is unfinished on this machine
  cairn transfers resume             go on with all of it, one after the other
  cairn transfers show ID
  cairn transfers rm ID              forget one; running its command again starts over

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

Run it on the server's machine, as the server's user, with the server's --root or --state. A server that runs knows of
each change within half a second. Only a hash of a secret is kept: one that is lost is replaced, not found again.

Scopes:
${scopeLines()}

Without list or read a push does not learn what is there, and sends everything; without read no contents are compared.

list shows how many transfers of a token are unfinished, and, where it has a quota of bytes, how much of that is pushed or
on its way.

A token has an owner, by default its own name. Transfers belong to the owner: a new token of the same owner goes on with
what an older one, expired or revoked, has begun.`;

/** After the help of `cairn grant`. */
export const GRANT_HELP = `
Examples:
  cairn grant https://files.example.org/inbox/alice --push --expires 7d --max-bytes 10G --out alice.grant
  cairn grant https://files.example.org/inbox/all --drop --expires 30d --max-bytes 1G --out drop.grant
  cairn grant https://files.example.org/photos --pull --expires 24h > photos.grant
  cairn grant --list https://files.example.org/
  cairn grant --revoke ID https://files.example.org/

Whoever has a grant uses it as an access token, resumes and all:
  cairn push --token-file alice.grant report.pdf https://files.example.org/inbox/alice/

A grant allows no more than the access token that it is asked for with: its scopes, its path, its quota, and no longer. It
ends with that token. What its pushes bring counts for the quota of that token, too.

With --push whoever has it sends everything, since it says nothing of what is there, and replaces what has the same name.
With --append a name that is there is named, left out, and stays as it is (exit 3). With --drop it stays as well, and what
comes gets a name of its own: "report.pdf" becomes "report (2).pdf", which the sender does not learn.
${TOKEN_NOTE}`;

/** After the help of `cairn completion`. */
export const COMPLETION_HELP = `
Examples:
  source <(cairn completion bash)          in ~/.bashrc
  source <(cairn completion zsh)           in ~/.zshrc, after compinit
  cairn completion fish > ~/.config/fish/completions/cairn.fish

Commands, options, fixed values, names of files and ids of transfers are completed.`;

/** After the help of `cairn demo`. */
export const DEMO_HELP = `
Examples:
  cairn demo               about 250 MB of made-up files
  cairn demo ~/photos      your own; they are only read

Real processes on this machine: a server, a push through a proxy that cuts the connections, a client and a server that
are killed, a pull back, and a comparison byte for byte. Nothing stays behind. Exit 0: everything agreed.`;

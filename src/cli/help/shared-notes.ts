/** Notes that the help of several commands has. */

/** How a place on a server is written. */
export const URL_NOTE = `
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

/** How entries are selected. */
export const SELECTION_NOTE = `
Patterns are those of .gitignore, relative to the top of the tree. Of the rules that match, the last one counts, in the order
of the command line, and nothing below a directory that is left out can be taken again. With --files-from the paths are relative
to the top, too; a directory stands for itself and everything in it. Bounds of size and age are for files alone. --dry-run
and --verbose name what is left out.`;

/** The modes of `--sync`. */
export const SYNC_NOTE = `
--sync says how much a crash of the receiver may cost. always: nothing of a chunk that the receiver has confirmed. group:
the bytes of the last half second. close: everything since the last sync point that a side asked for, with the least work for
the disk. In every mode exit 0 means durable and verified.`;

/** The words of `--compress`. */
export const COMPRESS_NOTE = `
--compress auto compresses once the connection has turned out to be slow: below 25 MB a second with zstd (where both sides
run on Node.js 22.15 or later), below 8 MB a second with gzip. --compress always compresses at any speed. In both modes a chunk
that does not shrink is sent as it is; to an older cairn, every chunk is.`;

/** The exit codes. */
export const EXIT_NOTE = `
Exit codes: 0 done and verified, 2 usage, 3 partial (each entry that was left out is named), 4 not found, 5 network (run again
to resume), 6 not allowed, 7 integrity, 8 another client has this transfer, 9 storage, 10 the session is gone (run again to
start over), 11 the command of --from-command failed, 12 a hook of a job failed, 13 a job is overdue, 130/143 interrupted (run again to resume), 1 a bug in cairn.`;

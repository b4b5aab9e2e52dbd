/** Examples and notes that follow the options in the help texts. */

const URL_NOTE = `
A URL is http(s)://HOST[:PORT]/PATH. Special characters in a name are percent-encoded (a blank is %20).`;

const TOKEN_NOTE = `
The access token comes from --token-file, else from CAIRN_TOKEN, else, for a server that the same user runs on this
machine, from that server's own token file.`;

const EXIT_NOTE = `
Exit codes: 0 done and verified, 2 usage, 3 partial (what was left out is named), 4 not found, 5 network (run again to
resume), 6 not allowed, 7 integrity, 8 another client has this transfer, 9 storage, 10 the session is gone (run again to
start over), 130/143 interrupted (run again to resume), 1 a bug in cairn.`;

/** After the help of `cairn` itself. */
export const MAIN_HELP = `
Examples:
  cairn serve --root /srv/files                     serve a directory on http://127.0.0.1:7070/
  cairn push ~/photos http://127.0.0.1:7070/photos  what is in ~/photos lands under /photos
  cairn pull http://127.0.0.1:7070/photos ~/copy    and back
  cairn demo                                        see it survive cuts and kills

Running the same push or pull again resumes it.
${EXIT_NOTE}`;

/** After the help of `cairn serve`. */
export const SERVE_HELP = `
Examples:
  cairn serve --root /srv/files
  cairn serve --root /srv/files --listen 127.0.0.1:8080 --state /var/lib/cairn
  cairn serve --root . --listen 127.0.0.1:0 --json  any free port; the first line on stdout says which

The first start makes an access token and says in which file it is. Without TLS cairn listens only on the loopback
interface: put a reverse proxy that speaks TLS before it, or say --insecure-listen on a network that you trust.
SIGTERM or SIGINT finishes what is under way and ends with 0; a second one ends at once.`;

/** After the help of `cairn push`. */
export const PUSH_HELP = `
Examples:
  cairn push ~/photos http://127.0.0.1:7070/photos     the entries of ~/photos appear under /photos
  cairn push report.pdf http://127.0.0.1:7070/inbox/   as /inbox/report.pdf
  cairn push report.pdf http://127.0.0.1:7070/r.pdf    exactly there
  tar c ~/src | cairn push - http://127.0.0.1:7070/src.tar
  cairn push --from-command http://127.0.0.1:7070/db.sql -- pg_dump mydb

With --from-command nothing is published unless the command exits with 0.
${URL_NOTE}
${TOKEN_NOTE}
${EXIT_NOTE}`;

/** After the help of `cairn pull`. */
export const PULL_HELP = `
Examples:
  cairn pull http://127.0.0.1:7070/photos ~/photos
  cairn pull http://127.0.0.1:7070/inbox/report.pdf .
  cairn pull http://127.0.0.1:7070/src.tar - | tar x
${URL_NOTE}
${TOKEN_NOTE}
${EXIT_NOTE}`;

/** After the help of `cairn ls`. */
export const LS_HELP = `
Examples:
  cairn ls http://127.0.0.1:7070/
  cairn ls -R --json http://127.0.0.1:7070/photos
${URL_NOTE}
${TOKEN_NOTE}`;

/** After the help of `cairn verify`. */
export const VERIFY_HELP = `
Examples:
  cairn verify ~/photos http://127.0.0.1:7070/photos

Exit 0: content, types, sizes and link targets agree (other modes and times are named, but do not count). Exit 7: not.
${URL_NOTE}
${TOKEN_NOTE}`;

/** After the help of `cairn transfers`. */
export const TRANSFERS_HELP = `
Examples:
  cairn transfers                    what is unfinished on this machine
  cairn transfers resume             go on with all of it, one after the other
  cairn transfers show ID
  cairn transfers rm ID              forget one; running its command again starts over

The beginning of an ID is enough.`;

/** After the help of `cairn demo`. */
export const DEMO_HELP = `
Examples:
  cairn demo               about 250 MB of made-up files
  cairn demo ~/photos      your own; they are only read

Real processes on this machine: a server, a push through a proxy that cuts the connections, a client and a server that
are killed, a pull back, and a comparison byte for byte. Nothing stays behind. Exit 0: everything agreed.`;

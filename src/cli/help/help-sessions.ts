/** Examples and notes of the commands for the administrator of a server. */
import { TLS_NOTE, TOKEN_NOTE } from './shared-notes.ts';

/** After the help of `cairn sessions`. */
export const SESSIONS_HELP = `
Examples:
  cairn sessions list http://127.0.0.1:7070/
  cairn sessions list --state suspended --older-than 1d --json http://127.0.0.1:7070/
  cairn sessions show http://127.0.0.1:7070/ ID --trace
  cairn sessions abort http://127.0.0.1:7070/ ID ID
  cairn sessions abort --all --state suspended --older-than 7d http://127.0.0.1:7070/

A token with the scope admin sees and ends every session, any other token those of its owner. The beginning of an ID is
enough; put -- before one that begins with a dash. Aborting a session frees the bytes that arrived; its client starts over.
${TOKEN_NOTE}
${TLS_NOTE}`;

/** After the help of `cairn doctor`. */
export const DOCTOR_HELP = `
Examples:
  cairn doctor http://127.0.0.1:7070/photos
  cairn doctor --thorough --json https://files.example/

Looks at the directory for checkpoints, the addresses of the host, the certificate, the greeting of the server, the clocks,
the token, the free space of the server, and at the way in which proxies treat bodies, answers and silence. The server keeps
nothing of it. Exit 0: no problem was found. Otherwise the exit code is the one that a transfer would end with.
${TOKEN_NOTE}
${TLS_NOTE}`;

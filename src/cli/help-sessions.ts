/** Examples and notes of the commands for whoever looks after a server. */
import { TLS_NOTE, TOKEN_NOTE } from './help.ts';

/** After the help of `cairn sessions`. */
export const SESSIONS_HELP = `
Examples:
  cairn sessions list http://127.0.0.1:7070/
  cairn sessions list --state suspended --older-than 1d --json http://127.0.0.1:7070/
  cairn sessions show http://127.0.0.1:7070/ ID --trace
  cairn sessions abort http://127.0.0.1:7070/ ID ID
  cairn sessions abort --all --state suspended --older-than 7d http://127.0.0.1:7070/

A token with the scope admin sees and ends every session, any other one those of its owner. The beginning of an ID is
enough; put -- before one that begins with a dash. What was sent of an aborted transfer is gone; its client starts over.
${TOKEN_NOTE}
${TLS_NOTE}`;

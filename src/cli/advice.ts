/** What is kept after an error, and what to do next, for people: the message itself says what happened. */
import { EXIT, type CairnError, type ErrorCode, type ExitCode } from '../base/errors.ts';

type Lines = readonly string[];

const HOW_TO_GIVE_A_TOKEN = [
  'the server wants an access token; these are the ways to give one:',
  '  --token-file FILE     a file that only you can read (chmod 600)',
  '  CAIRN_TOKEN=…         in the environment',
  '  cairn login URL       where the server takes the tokens of an issuer that you have an account with',
  '  --tls-client-cert …   a certificate of yours instead, where the server accepts them',
  '  nothing at all        where the server runs on this machine, as the same user with the same state directory',
  'the server says at its start where it keeps its token',
];

/** The other one brings some of these sources, and is not the same transfer. */
const LEFT_TO_ANOTHER = ['that push goes on, and nothing was changed'];

const NEW_TOKEN = [
  'put a new access token where this one came from (--token-file, CAIRN_TOKEN, cairn login) and run the same command again',
];
const KEPT_FOR_ITS_OWNER = 'everything that was checkpointed is kept for its owner';
const RUN_AGAIN = ['everything that was checkpointed is kept: run the same command again to resume'];

/** Whatever the command was. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'unauthenticated': HOW_TO_GIVE_A_TOKEN,
  'token-expired': NEW_TOKEN,
  'token-revoked': NEW_TOKEN,
  'transfer-locked': [
    'the same transfer is already running on this machine; it goes on, and nothing was changed',
  ],
  'state-locked': ['nothing was changed'],
  'session-not-found': ['run the same command again to start over'],
  'not-a-cairn-server': ['check the host, the port and, behind a reverse proxy, the prefix of the URL'],
};

const START_OVER = [
  'what is at the target stays as it was; what had been moved so far may be freed',
  'run the same command again to start over',
];

/** Of a push or a pull. */
const OF_TRANSFERS: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'session-not-found': START_OVER,
  'session-expired': START_OVER,
  'session-aborted': START_OVER,
  'journal-version': [
    'it is kept as it was: go on with the newer cairn, where the message names a file of the server there',
    'or give up what is unfinished ("cairn transfers list", then "cairn transfers rm ID") and run the same command again',
  ],
  'journal-corrupt': [
    'nothing was published; the damaged checkpoint is kept',
    'run the same command again; if it fails again, forget the transfer ("cairn transfers rm ID") to start over, or have',
    'the server examined, while it is stopped ("cairn serve --check")',
  ],
};

/** Of a push or a pull, by how it ends. */
const OF_TRANSFERS_BY_EXIT: Readonly<Partial<Record<ExitCode, Lines>>> = {
  [EXIT.storage]: RUN_AGAIN,
  [EXIT.network]: RUN_AGAIN,
  [EXIT.takenOver]: [
    'what was checkpointed is kept, and the other client goes on with it',
    'run the same command again when that one has ended; while it runs, that takes the transfer over from it',
  ],
  [EXIT.integrity]: [
    'nothing that does not agree was published: what is at the target stays as it was',
    'run the same command again: what is wrong is moved again; if it fails again, something between the two disks changes',
    'bytes (memory, a disk, a proxy): "cairn doctor URL" looks at the way',
  ],
};

const OF_SERVE: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'journal-version': ['it is kept as it was; start it again with the newer cairn'],
};
const OF_SERVE_BY_EXIT: Readonly<Partial<Record<ExitCode, Lines>>> = {
  [EXIT.storage]: ['everything that was checkpointed is kept; start it again when that is mended'],
};

/** Commands whose work is checkpointed. */
const TRANSFERS = new Set(['push', 'pull']);

/** What is kept and what to do next, where the message alone does not say. */
export function adviceFor(error: CairnError, command: string | undefined): Lines {
  const { code, traits, details } = error;
  const isTransfer = command !== undefined && TRANSFERS.has(command);
  // Who looks after the sessions of others has nothing to start over.
  if (command === 'sessions' && code === 'session-not-found') return [];
  if (code === 'transfer-locked' && details['isOfOtherSources'] === true) return LEFT_TO_ANOTHER;
  const byCode = isTransfer ? OF_TRANSFERS : command === 'serve' ? OF_SERVE : {};
  const known = byCode[code] ?? BY_CODE[code];
  const isKept = isTransfer && details['isKept'] === true;
  if (known === NEW_TOKEN && isKept) return [...known, KEPT_FOR_ITS_OWNER];
  if (known !== undefined) return known;
  if (command === 'serve') return OF_SERVE_BY_EXIT[traits.exitCode] ?? [];
  // What went to standard output cannot be taken back.
  if (!isTransfer || details['isOutput'] === true) return [];
  const advice = OF_TRANSFERS_BY_EXIT[traits.exitCode] ?? [];
  return advice === RUN_AGAIN && !isKept ? [] : advice;
}

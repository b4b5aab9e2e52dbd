/** What is kept after an error, and what to do next, for people: the message itself says what happened. */
import { EXIT, type CairnError, type ErrorCode, type ExitCode } from '../../base/errors.ts';

type Lines = readonly string[];

const HOW_TO_GIVE_A_TOKEN = [
  'the server wants an access token; give one in one of these ways:',
  '  --token-file FILE     a file that only you can read (chmod 600)',
  '  CAIRN_TOKEN=…         in the environment',
  '  cairn login URL       where the server accepts tokens of an issuer at which you have an account',
  '  --tls-client-cert …   your certificate in place of a token, where the server accepts certificates',
  '  nothing at all        where the server runs on this machine, as the same user with the same state directory',
  'the server says at its start in which file its own token is',
];

/** The other one brings some of these sources, and is not the same transfer. */
const LEFT_TO_ANOTHER = ['that push goes on, and nothing was changed'];

const NEW_TOKEN = [
  'replace this access token by a new one (--token-file, CAIRN_TOKEN, cairn login) and run the same command again',
];
const KEPT_FOR_ITS_OWNER = 'every checkpointed byte is kept for its owner';
const RUN_AGAIN = ['every checkpointed byte is kept: run the same command again to resume'];

/** For every command. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'unauthenticated': HOW_TO_GIVE_A_TOKEN,
  'token-expired': NEW_TOKEN,
  'token-revoked': NEW_TOKEN,
  'transfer-locked': ['the same transfer runs on this machine already; it goes on, and nothing was changed'],
  'state-locked': ['nothing was changed'],
  'session-not-found': ['run the same command again to start over'],
  'not-a-cairn-server': ['check the host, the port and, behind a reverse proxy, the prefix of the URL'],
};

const START_OVER = [
  'every file at the target stays as it was; the bytes of this transfer may have been freed',
  'run the same command again to start over',
];

/** For a push or a pull. */
const OF_TRANSFERS: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'session-not-found': START_OVER,
  'session-expired': START_OVER,
  'session-aborted': START_OVER,
  'journal-version': [
    'the file is kept as it was: resume with the newer cairn, on the machine that has the file',
    'or give the unfinished transfer up ("cairn transfers list", then "cairn transfers rm ID") and run the same command again',
  ],
  'journal-corrupt': [
    'nothing was published; the damaged checkpoint is kept',
    'run the same command again; if it fails again, remove the transfer ("cairn transfers rm ID") to start over, or have the',
    'server examined while it is stopped ("cairn serve --check")',
  ],
};

/** For a push or a pull, by its exit code. */
const OF_TRANSFERS_BY_EXIT: Readonly<Partial<Record<ExitCode, Lines>>> = {
  [EXIT.storage]: RUN_AGAIN,
  [EXIT.network]: RUN_AGAIN,
  [EXIT.takenOver]: [
    'every checkpointed byte is kept, and the other client goes on with the transfer',
    'run the same command again when that client has ended; if it still runs, your command takes the transfer over from it',
  ],
  [EXIT.integrity]: [
    'no wrong byte was published: every file at the target stays as it was',
    'run the same command again, which moves the wrong chunks again; if it fails again, something between the two disks',
    'changes bytes (memory, a disk, a proxy): "cairn doctor URL" looks for it',
  ],
};

const OF_SERVE: Readonly<Partial<Record<ErrorCode, Lines>>> = {
  'journal-version': ['the file is kept as it was; start the server again with the newer cairn'],
};
const OF_SERVE_BY_EXIT: Readonly<Partial<Record<ExitCode, Lines>>> = {
  [EXIT.storage]: ['every checkpointed byte is kept; repair the storage and start the server again'],
};

/** Commands whose work is checkpointed. */
const TRANSFERS = new Set(['push', 'pull']);

/** What is kept and what to do next, where the message alone does not say. */
export function adviceFor(error: CairnError, command: string | undefined): Lines {
  const { code, traits, details } = error;
  const isTransfer = command !== undefined && TRANSFERS.has(command);
  // An administrator has nothing to start over.
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

/**
 * The one error class of cairn and the one table of its codes.
 *
 * A code is a promise to scripts and to other implementations of the protocol: codes are added, never renamed.
 */

/** The meaning of an error code for HTTP, for the shell, and for a caller that may try again. */
export interface ErrorTraits {
  /** Status of the problem document (RFC 9457) that carries this code. */
  readonly httpStatus: number;
  /** Exit code of a command that ends with this error. */
  readonly exitCode: ExitCode;
  /** `again`: the same request may work later; `resume`: the session has to be resumed first; `never`: it will not. */
  readonly retry: 'again' | 'resume' | 'never';
}

/** Exit codes of the command line; scripts depend on them. */
export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  partial: 3,
  notFound: 4,
  network: 5,
  denied: 6,
  integrity: 7,
  takenOver: 8,
  storage: 9,
  sessionGone: 10,
  sourceCommandFailed: 11,
  hookFailed: 12,
  jobOverdue: 13,
  interrupted: 130,
  terminated: 143,
} as const;

/** One of the exit codes in {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const traits = (
  httpStatus: number,
  exitCode: ExitCode,
  retry: ErrorTraits['retry'] = 'never',
): ErrorTraits => ({
  httpStatus,
  exitCode,
  retry,
});

/** Every error code with its HTTP status, exit code and retry rule. */
export const ERROR_TABLE = {
  // bugs and usage
  'internal': traits(500, EXIT.bug),
  'usage': traits(400, EXIT.usage),
  'invalid-request': traits(400, EXIT.bug),
  'method-not-allowed': traits(405, EXIT.bug),
  'media-type-refused': traits(415, EXIT.bug),
  'version-unsupported': traits(400, EXIT.usage),
  'not-a-cairn-server': traits(502, EXIT.usage),
  'config-invalid': traits(400, EXIT.usage),
  'address-in-use': traits(500, EXIT.usage),
  'address-unavailable': traits(500, EXIT.usage),
  'insecure-listen': traits(400, EXIT.usage),
  'insecure-connection': traits(400, EXIT.usage),
  // paths and targets
  'path-unsafe': traits(400, EXIT.usage),
  'path-reserved': traits(403, EXIT.denied),
  'path-too-long': traits(400, EXIT.usage),
  'not-found': traits(404, EXIT.notFound),
  'is-directory': traits(409, EXIT.usage),
  'not-directory': traits(409, EXIT.usage),
  'already-exists': traits(409, EXIT.usage),
  'symlink-refused': traits(409, EXIT.usage),
  'destination-exists': traits(409, EXIT.denied),
  'destination-changed': traits(409, EXIT.partial),
  'too-many-deletions': traits(409, EXIT.partial),
  // manifests
  'manifest-invalid': traits(400, EXIT.integrity),
  'manifest-too-large': traits(413, EXIT.usage),
  'manifest-missing': traits(409, EXIT.bug),
  // sources; a command ends with one of these only where it has done no other work, else it is partial
  'source-missing': traits(404, EXIT.notFound),
  'source-unreadable': traits(403, EXIT.storage),
  'source-changed': traits(409, EXIT.storage),
  'source-unsupported': traits(409, EXIT.usage),
  'source-command-failed': traits(409, EXIT.sourceCommandFailed),
  'time-out-of-range': traits(409, EXIT.partial),
  'partial': traits(409, EXIT.partial),
  // network
  'network': traits(502, EXIT.network, 'again'),
  'timeout': traits(408, EXIT.network, 'again'),
  'server-busy': traits(503, EXIT.network, 'again'),
  'rate-limited': traits(429, EXIT.network, 'again'),
  'body-too-large': traits(413, EXIT.network),
  'redirect-refused': traits(502, EXIT.usage),
  'certificate-untrusted': traits(502, EXIT.denied),
  'proxy-refused': traits(502, EXIT.denied),
  // credentials and rights
  'unauthenticated': traits(401, EXIT.denied),
  'forbidden': traits(403, EXIT.denied),
  'cross-site-refused': traits(403, EXIT.denied),
  'token-unreadable': traits(401, EXIT.denied),
  'token-expired': traits(401, EXIT.denied),
  'token-revoked': traits(401, EXIT.denied),
  'quota-exceeded': traits(403, EXIT.denied),
  'login-failed': traits(401, EXIT.denied),
  'issuer-unavailable': traits(503, EXIT.network, 'again'),
  // chunks and digests
  'chunk-incomplete': traits(400, EXIT.network, 'again'),
  'chunk-digest-mismatch': traits(422, EXIT.integrity, 'again'),
  'chunk-out-of-range': traits(400, EXIT.integrity),
  'chunk-offset-mismatch': traits(409, EXIT.network, 'again'),
  'chunk-conflict': traits(409, EXIT.integrity),
  'chunks-missing': traits(409, EXIT.network, 'resume'),
  'digest-mismatch': traits(409, EXIT.integrity),
  'verify-failed': traits(409, EXIT.integrity),
  // sessions
  'session-not-found': traits(404, EXIT.sessionGone),
  'session-expired': traits(410, EXIT.sessionGone),
  'session-aborted': traits(410, EXIT.sessionGone),
  'session-suspended': traits(409, EXIT.network, 'resume'),
  'session-fenced': traits(409, EXIT.takenOver),
  'session-state': traits(409, EXIT.bug),
  'session-credential': traits(403, EXIT.takenOver),
  'transfer-locked': traits(409, EXIT.takenOver),
  'state-locked': traits(409, EXIT.takenOver),
  // storage
  'storage-full': traits(507, EXIT.storage),
  'storage-read-only': traits(500, EXIT.storage),
  'storage-denied': traits(403, EXIT.storage),
  'storage-io': traits(500, EXIT.storage),
  'storage-unsupported': traits(409, EXIT.storage),
  'owner-untrusted': traits(500, EXIT.denied),
  'journal-corrupt': traits(500, EXIT.integrity),
  'journal-version': traits(500, EXIT.usage),
  // jobs
  'job-running': traits(409, EXIT.takenOver),
  'job-hook-failed': traits(500, EXIT.hookFailed),
  'job-overdue': traits(500, EXIT.jobOverdue),
  // the user
  'interrupted': traits(499, EXIT.interrupted),
  'terminated': traits(499, EXIT.terminated),
} as const satisfies Record<string, ErrorTraits>;

/** A code of {@link ERROR_TABLE}. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** Facts that travel with an error: paths, numbers and ids, never secrets. */
export type ErrorDetails = Readonly<
  Record<string, string | number | boolean | readonly number[] | readonly string[]>
>;

/** The only error that cairn throws on purpose. */
export class CairnError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  /**
   * @param code the fault, for programs
   * @param message for people: the event, the file, the data that is kept, and the next step
   */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'CairnError';
    this.code = code;
    this.details = options.details ?? {};
  }

  /** HTTP status, exit code and retry rule of this error's code. */
  get traits(): ErrorTraits {
    return ERROR_TABLE[this.code];
  }
}

/** Whether `value` is a code of {@link ERROR_TABLE}; own keys only, since `value` may come from the other side. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_TABLE, value);
}

/** Numbers of errors for which libuv has no name; Linux only, other systems number them otherwise. */
const UNNAMED: Readonly<Record<number, string>> =
  process.platform === 'linux' ? { [-116]: 'ESTALE', [-122]: 'EDQUOT' } : {};

/** The code of a system error (`ENOSPC`, `ECONNRESET`, …), or undefined for anything else. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const named = 'errno' in error && typeof error.errno === 'number' ? UNNAMED[error.errno] : undefined;
  return named ?? error.code;
}

/** Whether the error comes from a disk that is full or read-only, and can still be read. */
export function takesNothing(error: unknown): error is CairnError {
  return error instanceof CairnError && (error.code === 'storage-full' || error.code === 'storage-read-only');
}

/** Some network and FUSE file systems refuse to sync directories; cairn cannot make their names more durable. */
export function isNoSyncOfDirectories(error: unknown): boolean {
  return ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCodeOf(error) ?? '');
}

const STORAGE_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['storage-full', 'the disk is full'],
  EDQUOT: ['storage-full', 'the disk quota is used up'],
  EFBIG: ['storage-full', 'the file is larger than the file system or its limits allow'],
  EROFS: ['storage-read-only', 'the file system is read-only'],
  EACCES: ['storage-denied', 'permission denied'],
  EPERM: ['storage-denied', 'the operation is not permitted'],
  ENAMETOOLONG: ['path-too-long', 'the name is too long for the file system'],
  EISDIR: ['is-directory', 'a directory is in the way'],
  ENOTDIR: ['not-directory', 'something other than a directory is in the way'],
  ELOOP: ['symlink-refused', 'a symbolic link is in the way'],
  ENOTEMPTY: ['is-directory', 'a directory that is not empty is in the way'],
  EBUSY: ['storage-denied', 'it is in use, or a file system is mounted there'],
  ETXTBSY: ['storage-denied', 'it is a program that is running'],
  EINVAL: ['storage-unsupported', 'the file system does not support this'],
  EILSEQ: ['storage-unsupported', 'the file system does not accept this name'],
  EXDEV: ['storage-unsupported', 'another file system is mounted there'],
  EMLINK: ['storage-unsupported', 'the directory cannot hold more names in this file system'],
  ENOSYS: ['storage-unsupported', 'the file system cannot do this'],
  ENOTSUP: ['storage-unsupported', 'the file system cannot do this'],
  EOPNOTSUPP: ['storage-unsupported', 'the file system cannot do this'],
  ESTALE: ['storage-io', 'the network file system no longer knows the file'],
  EMFILE: ['server-busy', 'too many files are open'],
  ENFILE: ['server-busy', 'too many files are open'],
};

/**
 * Wraps an error that a file system threw while `doing` something ("writing /a/b") into a {@link CairnError}.
 * A CairnError passes through; a system error gets its storage code; an error without a system code
 * is a bug and becomes `internal`.
 */
export function storageError(error: unknown, doing: string): CairnError {
  if (error instanceof CairnError) return error;
  const system = systemCodeOf(error);
  if (system === undefined) {
    return new CairnError('internal', `unexpected failure while ${doing}: ${String(error)}`, {
      cause: error,
    });
  }
  const known = Object.hasOwn(STORAGE_CODES, system) ? STORAGE_CODES[system] : undefined;
  const [code, reason] = known ?? (['storage-io', `the system reported ${system}`] as const);
  return new CairnError(code, `${reason} while ${doing}`, { cause: error, details: { systemCode: system } });
}

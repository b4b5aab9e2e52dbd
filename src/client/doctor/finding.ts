/** What a check of `cairn doctor` has found. */
import { CairnError, type ErrorCode } from '../../base/errors.ts';
import { isForeign } from '../http/connection-error.ts';

/** The subjects of the checks, in the order in which they are told. */
export type CheckName =
  | 'state-home'
  | 'address'
  | 'certificate'
  | 'server'
  | 'clock'
  | 'token'
  | 'space'
  | 'nodes'
  | 'upload'
  | 'body-size'
  | 'download'
  | 'connections'
  | 'channels'
  | 'silence';

/** One thing that was found. */
export interface Finding {
  readonly check: CheckName;
  /** `warning`: transfers work, and worse than they could. `problem`: they do not, or will not for long. */
  readonly level: 'ok' | 'warning' | 'problem';
  /** One line. */
  readonly message: string;
  /** What to do about a warning or a problem, one line. */
  readonly remedy?: string;
  /** Of a problem: what a transfer would fail with. */
  readonly code?: ErrorCode;
}

/** All is well. */
export function ok(check: CheckName, message: string): Finding {
  return { check, level: 'ok', message };
}

/** It works, but. */
export function warning(check: CheckName, message: string, remedy: string): Finding {
  return { check, level: 'warning', message, remedy };
}

/** It does not work. */
export function problem(check: CheckName, code: ErrorCode, message: string, remedy: string): Finding {
  return { check, level: 'problem', message, remedy, code };
}

const CHECK_THE_SERVER = 'make sure that the server runs, and that no firewall or proxy is in the way';
const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  'network': CHECK_THE_SERVER,
  'timeout': CHECK_THE_SERVER,
  'server-busy': 'try again later; the log of the server, or of the proxy before it, says why',
  'body-too-large': 'lift the limit of the proxy (nginx: client_max_body_size 0)',
  'rate-limited': 'wait a little and try again',
  'not-a-cairn-server': 'check the host, the port and, behind a reverse proxy, the prefix of the URL',
  'redirect-refused': 'use the URL that it names, if you trust it',
  'version-unsupported': 'install the same major version of cairn on both sides',
  'certificate-untrusted': 'renew the certificate, or have the authority that signed it trusted here',
  'unauthenticated': 'give a token that is valid there: --token-file FILE, or CAIRN_TOKEN',
  'token-expired': 'get a new token: an administrator makes one, or log in again',
  'token-revoked': 'get a new token: an administrator makes one, or log in again',
  'token-unreadable': 'give a file with one token in it that only you can read (chmod 600)',
  'forbidden': 'ask an administrator of the server for a token that allows it',
  'storage-full': 'make room',
  'storage-read-only': 'set CAIRN_STATE_HOME to a directory where you can write',
  'storage-denied': 'set CAIRN_STATE_HOME to a directory where you can write',
};

const CHECK_THE_PROXY =
  'have the proxy pass everything below the prefix on, whatever the method, and send no pages of its own (nginx: no error_page, no proxy_intercept_errors, no limit_except)';

/** The problem that an error is, whatever was wrapped around it by who gave up. */
export function failed(check: CheckName, error: CairnError): Finding {
  const first = error.cause instanceof CairnError ? error.cause : error;
  const { code, message } = first;
  if (isForeign(first)) return problem(check, code, message, CHECK_THE_PROXY);
  return problem(check, code, message, REMEDIES[code] ?? 'run the command that fails, and see what it says');
}

/** Requests to an OpenID Connect issuer, which may be slow, away or hostile: bounded in time and size, no redirects. */
import { CairnError } from './errors.ts';
import { isPrivateLink } from './issuer-url.ts';
import { printable } from './safe-path.ts';

/** Sends a request, as `fetch` does. The caller reads the body, or cancels it. */
export type IssuerFetch = (
  url: URL,
  request: Pick<RequestInit, 'method' | 'body' | 'redirect' | 'signal'> & {
    readonly headers?: Readonly<Record<string, string>>;
  },
) => Promise<Response>;

/** The bounds of a request to an issuer. */
export interface IssuerFetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestInit['body'];
  /** Ends the request, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Sends the request; undefined: directly. */
  readonly fetch?: IssuerFetch | undefined;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 512 * 1024;
const LASTING = new Set(['certificate-untrusted', 'proxy-refused', 'config-invalid']);

/**
 * Sends a request to `url` below or beside `issuer`. The promise resolves after the whole answer was read. A redirect
 * counts as an ordinary answer; the client does not follow it.
 *
 * @param issuer https, unless it is on this machine; then `url` has to be https, too
 * @throws CairnError `issuer-unavailable` without a whole answer in time; `login-failed` for a URL that this issuer may
 * not name; `certificate-untrusted`, `proxy-refused`, `config-invalid`; the signal's reason
 */
export async function fetchFromIssuer(
  issuer: URL,
  url: URL,
  options: IssuerFetchOptions = {},
): Promise<Response> {
  const { timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, signal, body = null, ...rest } = options;
  const { fetch: ask = fetch, ...request } = rest;
  if (!isPrivateLink(url) || (issuer.protocol === 'https:' && url.protocol !== 'https:')) {
    throw new CairnError('login-failed', `the issuer ${issuer.href} names a URL that is not https`);
  }
  const timeout = AbortSignal.timeout(timeoutMs);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    const response = await ask(url, { ...request, body, redirect: 'manual', signal: either });
    const { status, headers } = response;
    const answer = await readWithin(response, maxBytes);
    // The constructor refuses a body for these statuses.
    return new Response([204, 205, 304].includes(status) ? null : answer, { status, headers });
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    // These errors do not go away by themselves.
    if (error instanceof CairnError && LASTING.has(error.code)) throw error;
    throw unavailable(
      issuer,
      timeout.aborted ? `it did not answer in ${timeoutMs / 1000} s` : why(error),
      error,
    );
  }
}

/** The error for an issuer that does not answer. */
export function unavailable(issuer: URL, reason: string, cause?: unknown): CairnError {
  const message = `the issuer ${issuer.href} cannot be asked now (${reason}); try again when it is back`;
  return new CairnError('issuer-unavailable', message, cause === undefined ? {} : { cause });
}

async function readWithin(response: Response, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    // The end of the loop ends the connection.
    if (bytes > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function why(error: unknown): string {
  if (!(error instanceof Error)) return 'no connection';
  // fetch says "fetch failed"; the reason is in its cause.
  const { cause } = error;
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : error.message;
  return printable(reason.slice(0, 300));
}

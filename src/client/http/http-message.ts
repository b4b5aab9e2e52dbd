/** Requests and responses, whatever carries them, and what a response means that is none of 2xx. */
import { CairnError, EXIT } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { errorOfResponse } from '../../wire/problem.ts';
import { HEADER } from '../../wire/routes.ts';
import { withRetryAfter } from './retry-after.ts';

/** A body whose length is known before. */
export interface RequestBody {
  readonly type: string;
  readonly lengthBytes: number;
  readonly pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** A URL of the connection's origin. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Whether the server may work for long and only say now and then that it does. */
  readonly isSlow?: boolean;
  /** Ends the request; its reason is what the request throws. */
  readonly signal?: AbortSignal | undefined;
}

/** A response. Its body must be read, or discarded. */
export interface HttpResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /** The body's bytes. Throws CairnError `network` or `timeout` when it is cut. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body as text. Throws `not-a-cairn-server` for one of more than `maxBytes`. */
  text(maxBytes: number): Promise<string>;
  discard(): Promise<void>;
}

const MAX_ERROR_BODY_BYTES = 1024 * 1024;

/** A whole body as text. @throws CairnError `not-a-cairn-server` for one of more than `maxBytes` */
export async function readText(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  peer: string,
): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) {
      throw new CairnError(
        'not-a-cairn-server',
        `${peer} answered with more than ${maxBytes} bytes where a short message was expected`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes).toString('utf8');
}

/** A response whose status is 2xx. @throws CairnError the one that another stands for */
export async function accepted(request: HttpRequest, response: HttpResponse): Promise<HttpResponse> {
  if (response.status >= 200 && response.status < 300) return response;
  throw await errorOf(request, response);
}

/** The error that a response stands for. Reads its body. */
export async function errorOf(request: HttpRequest, response: HttpResponse): Promise<CairnError> {
  const { status } = response;
  const text = await response.text(MAX_ERROR_BODY_BYTES);
  if (status < 400) {
    const where = printable(response.header('location') ?? 'an unnamed URL');
    return new CairnError(
      'redirect-refused',
      `${request.url.origin} redirects to ${where.slice(0, 500)}; cairn does not follow redirects: use that URL itself if you trust it`,
      {
        details: { status },
      },
    );
  }
  const error = errorOfResponse(status, response.header('content-type'), text, response.header(HEADER.error));
  // "The disk is full" alone would send the user to the wrong machine.
  const message = error.traits.exitCode === EXIT.storage ? `at the server: ${error.message}` : error.message;
  const told = new CairnError(error.code, message, { details: error.details });
  return withRetryAfter(told, response.header('retry-after'));
}

/** Requests to one server: where it is, who asks, and JSON in both directions. */
import type * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { parseJsonMessage } from '../../wire/parse-message.ts';
import type { Access } from './access.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Requester } from './channel-requests.ts';
import type { Connection } from './connection.ts';
import type { HttpRequest, HttpResponse, RequestBody } from './http-message.ts';
import type { Discovery, Endpoint } from './discovery.ts';

/** A server that was found. */
export interface Server extends Endpoint, Omit<Discovery, keyof Endpoint> {
  readonly connection: Connection;
  /** What chunks are moved by. */
  readonly chunks: Requester;
  readonly access: Access;
  readonly bandwidth: Bandwidth;
}

/** Longest JSON answer that is read: the runs of a comparison of two million entries. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** A request below the protocol root, relative to it. */
export interface Call extends Omit<HttpRequest, 'url' | 'body'> {
  readonly path: string;
  readonly json?: unknown;
  readonly body?: RequestBody;
  /** Whether it moves a chunk. */
  readonly isChunk?: boolean;
}

/** No answer of the protocol is of these types. */
const FOREIGN_TYPES = /^(?:text\/(?:html|plain)|application\/xhtml)/i;

/**
 * Makes a request below the protocol root. The caller reads the answer's body.
 *
 * @throws CairnError what the answer stands for; `network` where something else than the server has answered
 */
export async function call(
  server: Server,
  { path, json, body, isChunk, ...request }: Call,
): Promise<HttpResponse> {
  const sent = json === undefined ? body : jsonBody(json);
  const url = new URL(path, server.root);
  const asked = { ...request, url, ...(sent === undefined ? {} : { body: sent }) };
  let response: HttpResponse;
  try {
    response = await (isChunk === true ? server.chunks : server.connection).request(asked);
  } catch (error) {
    if (isChunk === true && error instanceof CairnError && error.code === 'body-too-large')
      throw new CairnError(error.code, `${error.message}, or use smaller chunks (--chunk-size 512K)`, error);
    throw error;
  }
  const type = response.header('content-type') ?? '';
  if (!FOREIGN_TYPES.test(type)) return response;
  await response.discard();
  const what = `something other than the cairn server has answered (HTTP status ${response.status}, ${printable(type.slice(0, 100))})`;
  const message = `${what}: a proxy before it, or another server in its place`;
  throw new CairnError('network', message, { details: { isForeign: true } });
}

/** Makes a request whose answer is a JSON message, and checks that. `what` names the message in errors. */
export async function callJson<Schema extends v.GenericSchema>(
  server: Server,
  schema: Schema,
  what: string,
  request: Call,
): Promise<v.InferOutput<Schema>> {
  const response = await call(server, request);
  return parseJsonMessage(schema, await response.text(MAX_JSON_BYTES), what);
}

/** A JSON request body. */
function jsonBody(value: unknown): RequestBody {
  const bytes = Buffer.from(JSON.stringify(value));
  return { type: 'application/json', lengthBytes: bytes.byteLength, pieces: [bytes] };
}

/** Requests to one server: where it is, who asks, and JSON in both directions. */
import type * as v from 'valibot';
import { parseJsonMessage } from '../../protocol/parse-message.ts';
import type { Access } from './access.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Requester } from './channels.ts';
import type { Connection } from './connection.ts';
import type { HttpRequest, HttpResponse, RequestBody } from './http-message.ts';
import type { Discovery, Endpoint } from './discovery.ts';

/** A server that was found. */
export interface Server extends Endpoint, Pick<Discovery, 'hasTreeIds'> {
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

/** Makes a request below the protocol root. The caller reads the answer's body. */
export function call(server: Server, { path, json, body, isChunk, ...request }: Call): Promise<HttpResponse> {
  const sent = json === undefined ? body : jsonBody(json);
  return (isChunk === true ? server.chunks : server.connection).request({
    ...request,
    url: new URL(path, server.root),
    ...(sent === undefined ? {} : { body: sent }),
  });
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

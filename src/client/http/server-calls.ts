/** Requests to one server: where it is, who asks, and JSON in both directions. */
import type * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { parseJsonMessage } from '../../protocol/messages.ts';
import type { Connection, HttpRequest, HttpResponse, RequestBody } from './connection.ts';
import type { Endpoint } from './discovery.ts';

/** A server that was found. */
export interface Server extends Endpoint {
  readonly connection: Connection;
  readonly access: Access;
}

/** Longest JSON answer that is read: the runs of a comparison of two million entries. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** The access token of this transfer. */
export interface Access {
  /**
   * Runs a request with the `Authorization` header; after a 401 the token is asked for once more (its file may have
   * been replaced), and the request is made again.
   */
  run<T>(request: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T>;
}

/** Makes an {@link Access}. The token goes to the origin of the user's URL and nowhere else. */
export function createAccess(token: () => Promise<string | undefined>): Access {
  let current: Promise<string | undefined> | undefined;
  const headers = (secret: string | undefined): Record<string, string> =>
    secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  return {
    run: async (request) => {
      current ??= token();
      const used = current;
      try {
        return await request(headers(await used));
      } catch (error) {
        if (!(error instanceof CairnError) || error.code !== 'unauthenticated') throw error;
        if (current === used) current = token();
        return request(headers(await current));
      }
    },
  };
}

/** A request below the protocol root, relative to it. */
export interface Call extends Omit<HttpRequest, 'url' | 'body'> {
  readonly path: string;
  readonly json?: unknown;
  readonly body?: RequestBody;
}

/** Makes a request below the protocol root. The caller reads the answer's body. */
export function call(server: Server, { path, json, body, ...request }: Call): Promise<HttpResponse> {
  const sent = json === undefined ? body : jsonBody(json);
  return server.connection.request({
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

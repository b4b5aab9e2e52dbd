/** An HTTP proxy as badly configured ones are: it collects bodies, limits them, loses patience, or changes the date. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What is wrong with the proxy. */
export interface Meddling {
  /** Passes bodies on only when they are whole, in one of these ways. */
  readonly collects?: 'requests' | 'answers';
  /** Answers 413 to longer bodies. */
  readonly maxBodyBytes?: number;
  /** Cuts a connection on which the server has been silent for so long. */
  readonly patienceMs?: number;
  /** Takes the length of bodies away, of requests and of answers: they go on in chunked coding. */
  readonly takesLengths?: boolean;
  /** Answers by itself, with this status and a page; undefined to pass a request on. */
  readonly answers?: (request: IncomingMessage) => number | undefined;
  /** Cuts a connection when so many bytes of one body have gone over it, in either direction. */
  readonly cutsAfterBytes?: number;
  /** Cuts a connection when so many bytes of requests have gone over it. */
  readonly cutsConnectionAfterBytes?: number;
  /** Closes each connection with its answer. */
  readonly closes?: boolean;
  /** Opens a connection to the server for each request, and says so. */
  readonly closesUpstream?: boolean;
  /** Passes requests to another path, as a proxy does that takes off too much of a prefix, or too little. */
  readonly pathOf?: (path: string) => string;
  /** Adds so much to the Date header. */
  readonly dateAheadMs?: number;
}

/** Starts a proxy to a port of the loopback interface; answers its own. It goes with the test. */
export async function startMeddlingProxy(targetPort: number, meddling: Meddling): Promise<number> {
  const server = createServer((request, response) => {
    pass(request, response, targetPort, meddling).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  port: number,
  meddling: Meddling,
): Promise<void> {
  const {
    collects,
    maxBodyBytes = Infinity,
    patienceMs,
    answers,
    takesLengths,
    pathOf,
    closesUpstream,
  } = meddling;
  const isTooLong = Number(request.headers['content-length'] ?? 0) > maxBodyBytes;
  const status = isTooLong ? 413 : answers?.(request);
  if (status !== undefined) {
    request.resume();
    response.writeHead(status, { 'Content-Type': 'text/html' });
    response.end(`<html>${status}</html>`);
    return;
  }
  const { method, url: path = '/' } = request;
  // Those of a hop are not for the next one (RFC 9110, section 7.6.1): an upgrade ends here.
  const { upgrade: _upgrade, connection: _connection, ...headers } = request.headers;
  if (takesLengths === true && headers['content-length'] !== undefined) {
    delete headers['content-length'];
    headers['transfer-encoding'] = 'chunked';
  }
  const upstream = httpRequest({
    host: '127.0.0.1',
    port,
    method,
    path: pathOf?.(path) ?? path,
    headers: { ...headers, connection: closesUpstream === true ? 'close' : 'keep-alive' },
    agent: false,
  });
  upstream.on('error', () => response.destroy());
  response.on('close', () => upstream.destroy());
  const impatient = patienceMs === undefined ? undefined : setTimeout(() => response.destroy(), patienceMs);
  upstream.on('response', (answer) => {
    clearTimeout(impatient);
    response.writeHead(answer.statusCode!, headersOf(answer, meddling));
    if (collects === 'answers') void whole(answer).then((body) => response.end(body));
    else cutting(answer, response, meddling).pipe(response);
  });
  if (collects === 'requests') upstream.end(await whole(request));
  else cutting(request, response, meddling).pipe(upstream);
}

function headersOf(
  answer: IncomingMessage,
  { dateAheadMs = 0, takesLengths, closes }: Meddling,
): Record<string, string | string[] | undefined> {
  const { 'content-length': length, date, ...others } = answer.headers;
  const isBodyless = answer.headers['content-length'] === '0';
  return {
    ...others,
    ...(length === undefined || (takesLengths === true && !isBodyless) ? {} : { 'content-length': length }),
    date: new Date(Date.parse(date!) + dateAheadMs).toUTCString(),
    ...(closes === true ? { connection: 'close' } : {}),
  };
}

/** The same message, which ends the connection after so many bytes of its own, or of the connection. */
function cutting(
  message: IncomingMessage,
  response: ServerResponse,
  { cutsAfterBytes = Infinity, cutsConnectionAfterBytes = Infinity }: Meddling,
): IncomingMessage {
  let bytes = 0;
  message.on('data', (piece: Buffer) => {
    bytes += piece.length;
    const connectionBytes = response.req.socket.bytesRead;
    if (bytes > cutsAfterBytes || connectionBytes > cutsConnectionAfterBytes) response.destroy();
  });
  return message;
}

async function whole(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

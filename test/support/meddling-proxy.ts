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
  { collects, maxBodyBytes = Infinity, patienceMs, dateAheadMs = 0 }: Meddling,
): Promise<void> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) {
    request.resume();
    response.writeHead(413, { 'Content-Type': 'text/html' });
    response.end('<html>413 Request Entity Too Large</html>');
    return;
  }
  const { method, url: path, headers } = request;
  const upstream = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false });
  upstream.on('error', () => response.destroy());
  response.on('close', () => upstream.destroy());
  const impatient = patienceMs === undefined ? undefined : setTimeout(() => response.destroy(), patienceMs);
  upstream.on('response', (answer) => {
    clearTimeout(impatient);
    const date = new Date(Date.parse(answer.headers.date!) + dateAheadMs).toUTCString();
    response.writeHead(answer.statusCode!, { ...answer.headers, date });
    if (collects === 'answers') void whole(answer).then((body) => response.end(body));
    else answer.pipe(response);
  });
  if (collects === 'requests') upstream.end(await whole(request));
  else request.pipe(upstream);
}

async function whole(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

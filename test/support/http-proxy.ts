/** An HTTP proxy for tests: tunnels by CONNECT, plain requests in absolute form, credentials, and a count of it all. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import type { Issued } from './certificates.ts';

/** How {@link startHttpProxy} behaves. */
export interface HttpProxyOptions {
  /** `USER:PASSWORD` that it wants. */
  readonly credentials?: string;
  /** Answers every CONNECT with this status, in place of a tunnel. */
  readonly refusesWith?: number;
  /** Speaks TLS itself. */
  readonly certificate?: Issued;
}

/** A running proxy. */
export interface HttpProxy {
  readonly port: number;
  /** Targets of the tunnels that were opened, in order. */
  readonly tunnels: string[];
  /** Plain requests, as `METHOD URL`. */
  readonly requests: string[];
  /** Everything that came with a wrong password or none. */
  readonly refusals: string[];
  /** All headers that were meant for servers, as JSON. */
  readonly forwarded: string[];
  /** Cuts every tunnel. */
  cutAll(): void;
}

/** Starts a proxy on a port of the loopback interface; it goes with the test. */
export async function startHttpProxy(options: HttpProxyOptions = {}): Promise<HttpProxy> {
  const { credentials, certificate } = options;
  const tunnels: string[] = [];
  const requests: string[] = [];
  const refusals: string[] = [];
  const forwarded: string[] = [];
  const sockets = new Set<Duplex>();
  const expected =
    credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
  const isWelcome = ({ headers, method, url }: IncomingMessage): boolean => {
    if (expected === undefined || headers['proxy-authorization'] === expected) return true;
    refusals.push(`${method} ${url}`);
    return false;
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isWelcome(request)) {
      response.writeHead(407, { 'Proxy-Authenticate': 'Basic' }).end();
      return;
    }
    requests.push(`${request.method} ${request.url}`);
    forwarded.push(JSON.stringify({ ...request.headers, 'proxy-authorization': undefined }));
    forward(request, response);
  };
  const server =
    certificate === undefined ? createServer(onRequest) : createSecureServer({ ...certificate }, onRequest);
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    sockets.add(socket.on('error', () => undefined));
    if (!isWelcome(request) || options.refusesWith !== undefined) {
      socket.end(`HTTP/1.1 ${options.refusesWith ?? 407} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    tunnels.push(request.url!);
    tunnel(request.url!, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(() => {
    cutAll();
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, tunnels, requests, refusals, forwarded, cutAll };
}

function tunnel(authority: string, socket: Duplex): void {
  const { hostname, port } = new URL(`http://${authority}`);
  const target = connect({ host: hostname, port: Number(port) }, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.pipe(target).pipe(socket);
  });
  target.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
  target.on('close', () => socket.destroy());
  socket.on('close', () => target.destroy());
}

function forward(request: IncomingMessage, response: ServerResponse): void {
  const { 'proxy-authorization': _secret, ...headers } = request.headers;
  const asking = httpRequest(request.url!, { method: request.method!, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(response);
  });
  asking.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  request.pipe(asking);
}

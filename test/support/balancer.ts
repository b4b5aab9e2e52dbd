/** A balancer in front of the nodes: each request goes to the next one that is there, whatever connection it came by. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A running balancer. */
export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a balancer; `ports` answers those of the nodes that are there. */
export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  let turn = 0;
  const nextPort = (): number | undefined => {
    const there = ports();
    turn += 1;
    return there[turn % there.length];
  };
  const server = createServer((request, response) => {
    const port = nextPort();
    if (port === undefined) response.writeHead(503, { 'retry-after': '1' }).end();
    else forward(port, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A node that dies in the middle costs its requests their connections, as with any balancer. */
function forward(port: number, request: IncomingMessage, response: ServerResponse): void {
  const { expect: _expect, upgrade: _upgrade, ...headers } = request.headers;
  const { method, url: path } = request;
  const asked = httpRequest({ host: '127.0.0.1', port, method: method!, path: path!, headers, agent: false });
  const cut = (): void => void response.destroy();
  asked.on('response', (answer) => {
    response.writeHead(answer.statusCode!, answer.headers);
    answer.on('error', cut);
    answer.pipe(response);
  });
  asked.on('error', cut);
  request.on('error', () => asked.destroy());
  response.on('close', () => asked.destroy());
  request.pipe(asked);
}

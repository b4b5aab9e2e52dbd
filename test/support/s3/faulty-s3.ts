/**
 * A small service that speaks as much S3 as the client does, for what a real one does not do on demand: answers that are lost,
 * errors of puts that were done, too much to do, a wrong clock. Tests of the protocol itself run against Ceph.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import {
  type Answer,
  type Asked,
  failure,
  perform,
  type Service,
  store,
  type Stored,
} from './s3-semantics.ts';

/** What happens to a request in place of its usual answer; `cut` closes the connection. */
export type Fault =
  | {
      readonly status: number;
      readonly code: string;
      readonly isDone?: boolean;
      readonly headers?: Record<string, string>;
    }
  | { readonly cut: 'before' | 'after'; readonly afterBytes?: number }
  | { readonly body: string };

/** The running service. */
export interface FaultyS3 {
  readonly endpoint: string;
  readonly objects: Map<string, Stored>;
  /** Every request so far. */
  readonly asked: Asked[];
  /** Chooses the fault of each request; replace it. */
  fault: (asked: Asked) => Fault | undefined;
  /** Puts as another client would, at once. */
  put(key: string, text: string, replaces?: string): string;
}

const BUCKET = '/bucket/';

/** Starts it; it goes with the test. `ignores` are headers of conditions to which it pays no heed. */
export async function startFaultyS3(ignores: readonly string[] = []): Promise<FaultyS3> {
  const objects: FaultyS3['objects'] = new Map();
  const kept: Service = { objects, now: () => new Date(), ignores };
  const server = createServer((request, response) => void answer(request, response));
  const service: FaultyS3 = {
    endpoint: '',
    objects,
    asked: [],
    fault: () => undefined,
    put: (key, text, replaces) => {
      const meta = replaces === undefined ? {} : { 'x-amz-meta-cairn-replaces': replaces };
      return store(kept, key, Buffer.from(text), meta);
    },
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const url = new URL(request.url!, 'http://x');
    const key = url.pathname.slice(BUCKET.length);
    const asked: Asked = { method: request.method!, key, query: url.searchParams, headers: request.headers };
    service.asked.push(asked);
    const fault = service.fault(asked);
    if (fault !== undefined && 'body' in fault) return void response.end(fault.body);
    const isDone = fault === undefined || ('cut' in fault ? fault.cut === 'after' : fault.isDone === true);
    const usual = isDone ? perform(kept, asked, Buffer.concat(pieces)) : undefined;
    if (fault === undefined) send(response, usual!);
    else if ('cut' in fault) cut(response, usual, fault.afterBytes);
    else send(response, failure(fault.status, fault.code, fault.headers));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(service, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function send(response: ServerResponse, { status, headers = {}, body = '' }: Answer): void {
  response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body);
}

function cut(response: ServerResponse, usual: Answer | undefined, afterBytes?: number): void {
  if (usual === undefined || afterBytes === undefined) return void response.destroy();
  const body = Buffer.from(usual.body ?? '');
  response.writeHead(usual.status, { 'content-length': String(body.byteLength), ...usual.headers });
  response.write(body.subarray(0, afterBytes), () => response.destroy());
}

/**
 * A small service that speaks as much S3 as the client does, for what a real one does not do on demand: answers that are lost,
 * errors of puts that were done, too much to do, a wrong clock. Tests of the protocol itself run against Ceph.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

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

/** A request as the service sees it. */
export interface Asked {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

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

interface Stored {
  readonly body: Buffer;
  readonly etag: string;
  readonly meta: Record<string, string>;
  readonly modified: Date;
}

const BUCKET = '/bucket/';

/** Starts it; it goes with the test. `ignores` are headers of conditions to which it pays no heed. */
export async function startFaultyS3(ignores: readonly string[] = []): Promise<FaultyS3> {
  const objects: FaultyS3['objects'] = new Map();
  const server = createServer((request, response) => void answer(request, response));
  const service: FaultyS3 = {
    endpoint: '',
    objects,
    asked: [],
    fault: () => undefined,
    put: (key, text, replaces) => {
      const meta = replaces === undefined ? {} : { 'x-amz-meta-cairn-replaces': replaces };
      return store(objects, key, Buffer.from(text), meta);
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
    const usual = isDone ? perform(objects, asked, Buffer.concat(pieces), ignores) : undefined;
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

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
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

function failure(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers,
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>told</Message></Error>`,
  };
}

function perform(
  objects: FaultyS3['objects'],
  asked: Asked,
  body: Buffer,
  ignores: readonly string[],
): Answer {
  const { method, key, query, headers } = asked;
  if (method === 'POST') return removeAll(objects, body.toString());
  if (method === 'GET' && query.has('list-type')) return listed(objects, query);
  const there = objects.get(key);
  if (method === 'PUT') {
    const heeded = (name: string): string | undefined =>
      ignores.includes(name) ? undefined : (headers[name] as string);
    if (heeded('if-none-match') === '*' && there !== undefined) return failure(412, 'PreconditionFailed');
    const wanted = heeded('if-match');
    if (wanted !== undefined && there === undefined) return failure(404, 'NoSuchKey');
    if (wanted !== undefined && wanted !== there?.etag) return failure(412, 'PreconditionFailed');
    if (createHash('sha256').update(body).digest('hex') !== headers['x-amz-content-sha256'])
      return failure(400, 'XAmzContentSHA256Mismatch');
    const meta = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
    return {
      status: 200,
      headers: { etag: `"${store(objects, key, body, Object.fromEntries(meta) as Record<string, string>)}"` },
    };
  }
  if (key === '') return { status: 200 };
  return there === undefined ? failure(404, 'NoSuchKey') : read(there, asked);
}

function store(
  objects: FaultyS3['objects'],
  key: string,
  body: Buffer,
  meta: Record<string, string>,
): string {
  const etag = createHash('md5').update(body).digest('hex');
  objects.set(key, { body, etag, meta, modified: new Date() });
  return etag;
}

function read({ body, etag, meta, modified }: Stored, { method, headers }: Asked): Answer {
  const head = { 'etag': `"${etag}"`, 'last-modified': modified.toUTCString(), ...meta };
  if (headers['if-none-match'] === `"${etag}"`) return { status: 304, headers: head };
  if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
    return failure(412, 'PreconditionFailed');
  if (method === 'HEAD')
    return { status: 200, headers: { ...head, 'content-length': String(body.byteLength) } };
  const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  if (from === '') return { status: 200, headers: head, body };
  if (Number(from) >= body.byteLength) return failure(416, 'InvalidRange');
  const part = body.subarray(Number(from), to === '' ? undefined : Number(to) + 1);
  const range = `bytes ${from}-${Number(from) + part.byteLength - 1}/${body.byteLength}`;
  return { status: 206, headers: { ...head, 'content-range': range }, body: part };
}

function listed(objects: FaultyS3['objects'], query: URLSearchParams): Answer {
  const [prefix, after, most] = [
    query.get('prefix')!,
    query.get('start-after')!,
    Number(query.get('max-keys')),
  ];
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
  const page = keys.slice(0, most).map((key) => {
    const { etag, body, modified } = objects.get(key)!;
    return `<Contents><Key>${key}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.byteLength}</Size></Contents>`;
  });
  const more = keys.length > page.length;
  return {
    status: 200,
    body: `<ListBucketResult xmlns="x"><IsTruncated>${more}</IsTruncated>${page.join('')}</ListBucketResult>`,
  };
}

function removeAll(objects: FaultyS3['objects'], text: string): Answer {
  for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) objects.delete(key!);
  return { status: 200, body: '<DeleteResult/>' };
}

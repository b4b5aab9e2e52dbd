/** What a service that speaks S3 does with a request, as far as cairn makes any: pure, for services over a socket and without one. */
import { createHash } from 'node:crypto';

/** A request as the service sees it. */
export interface Asked {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An object of the service. */
export interface Stored {
  readonly body: Buffer;
  readonly etag: string;
  readonly meta: Record<string, string>;
  readonly modified: Date;
}

/** An answer of the service. */
export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
}

/** The service: its objects, its clock, and where it differs from the usual. */
export interface Service {
  readonly objects: Map<string, Stored>;
  readonly now: () => Date;
  /** Headers of conditions to which it pays no heed. */
  readonly ignores?: readonly string[];
  /** The most keys of a page, where it gives fewer than it is asked for. */
  readonly pageKeys?: number;
  /** Told of each object that is removed. */
  readonly onRemoved?: (key: string) => void;
}

/** A refusal, in the words of S3. */
export function failure(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers,
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>told</Message></Error>`,
  };
}

/** Carries out a request, whole and at once. */
export function perform(service: Service, asked: Asked, body: Buffer): Answer {
  const { objects } = service;
  const { method, key, query } = asked;
  if (method === 'POST') return removeAll(service, body.toString());
  if (method === 'GET' && query.has('list-type')) return listed(service, query);
  if (method === 'PUT') return put(service, asked, body);
  if (key === '') return { status: 200 };
  const there = objects.get(key);
  return there === undefined ? failure(404, 'NoSuchKey') : read(there, asked);
}

/** Stores an object; answers its tag. */
export function store(
  { objects, now }: Pick<Service, 'objects' | 'now'>,
  key: string,
  body: Buffer,
  meta: Record<string, string>,
): string {
  const etag = createHash('md5').update(body).digest('hex');
  objects.set(key, { body, etag, meta, modified: now() });
  return etag;
}

function put(service: Service, { key, headers }: Asked, body: Buffer): Answer {
  const there = service.objects.get(key);
  const heeded = (name: string): string | undefined =>
    service.ignores?.includes(name) === true ? undefined : (headers[name] as string);
  if (heeded('if-none-match') === '*' && there !== undefined) return failure(412, 'PreconditionFailed');
  const wanted = heeded('if-match');
  if (wanted !== undefined && there === undefined) return failure(404, 'NoSuchKey');
  if (wanted !== undefined && wanted !== there?.etag) return failure(412, 'PreconditionFailed');
  if (createHash('sha256').update(body).digest('hex') !== headers['x-amz-content-sha256'])
    return failure(400, 'XAmzContentSHA256Mismatch');
  const meta = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  const etag = store(service, key, body, Object.fromEntries(meta) as Record<string, string>);
  return { status: 200, headers: { etag: `"${etag}"` } };
}

function read({ body, etag, meta, modified }: Stored, { method, headers }: Asked): Answer {
  const head = { 'etag': `"${etag}"`, 'last-modified': modified.toUTCString(), ...meta };
  if (headers['if-none-match'] === `"${etag}"`) return { status: 304, headers: head };
  if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
    return failure(412, 'PreconditionFailed');
  if (method === 'HEAD')
    return { status: 200, headers: { ...head, 'content-length': String(body.byteLength) } };
  const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec((headers['range'] as string) ?? '') ?? [];
  if (from === '') return { status: 200, headers: head, body };
  if (Number(from) >= body.byteLength) return failure(416, 'InvalidRange');
  const part = body.subarray(Number(from), to === '' ? undefined : Number(to) + 1);
  const range = `bytes ${from}-${Number(from) + part.byteLength - 1}/${body.byteLength}`;
  return { status: 206, headers: { ...head, 'content-range': range }, body: part };
}

function listed({ objects, pageKeys = Infinity }: Service, query: URLSearchParams): Answer {
  const [prefix, after, most] = [
    query.get('prefix')!,
    query.get('start-after')!,
    Math.min(Number(query.get('max-keys')), pageKeys),
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

function removeAll({ objects, onRemoved }: Service, text: string): Answer {
  for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) {
    if (objects.delete(key!)) onRemoved?.(key!);
  }
  return { status: 200, body: '<DeleteResult/>' };
}

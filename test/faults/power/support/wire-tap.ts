/**
 * Listens between a client and its server, and knows what any client could know: which chunks were on their way, and
 * which of them the server has called durable.
 */
import type { ProxyTap } from '../../../support/cutting-proxy.ts';

/** A request that carries a chunk, in either direction. */
export interface ChunkRequest {
  readonly chunk: number;
  readonly epoch: number;
}

/** What was heard so far. */
export interface WireTap {
  readonly tap: ProxyTap;
  /** Chunks that the server has called durable. */
  readonly acknowledged: ReadonlySet<number>;
  /** Chunks whose upload was answered, durable or not. */
  readonly answered: ReadonlySet<number>;
  /** All requests that carried a chunk. */
  readonly requests: readonly ChunkRequest[];
  /** The highest epoch of a request. */
  readonly epoch: number;
  /** Resolves when so many more requests that carry a chunk have begun: a moment that does not depend on speed. */
  moreRequests(count: number): Promise<void>;
  /** Resolves with the next answer that makes more chunks durable. */
  nextAcknowledgement(): Promise<void>;
}

/** Heads are longer than this only where somebody sends strange headers. */
const HEAD_BYTES = 4096;
const REQUEST = /^(PUT|GET|POST|HEAD|DELETE) (\S+) HTTP\/1\.1\r\n/;
const CHUNK = /\/sessions\/[^/]+\/chunks\/(\d+)$/;
const EPOCH = /\r\ncairn-epoch: (\d+)\r\n/i;
const STATUS = /"syncPoint":(\d+),"durableSyncPoint":(\d+)/;

interface Connection {
  epoch: number;
  /** The chunk of the upload that is under way. */
  upload: number | undefined;
}

/** Makes a tap for one session. */
export function createWireTap(): WireTap {
  return new Tap();
}

class Tap implements WireTap {
  readonly acknowledged = new Set<number>();
  readonly answered = new Set<number>();
  readonly requests: ChunkRequest[] = [];
  epoch = 0;
  readonly #connections = new Map<number, Connection>();
  /** The sync point that covers a chunk, in the epoch in which it was sent. */
  readonly #points = new Map<number, { epoch: number; point: number }>();
  #waiting: (() => void)[] = [];
  #wanting: { readonly wanted: number; readonly resolve: () => void }[] = [];

  readonly tap: ProxyTap = (connection, way, bytes) => {
    const text = bytes.toString('latin1', 0, HEAD_BYTES);
    if (way === 'up') this.#up(connection, text);
    else if (bytes.length <= HEAD_BYTES) this.#down(this.#connections.get(connection), text);
  };

  moreRequests(count: number): Promise<void> {
    const wanted = this.requests.length + count;
    return new Promise((resolve) => this.#wanting.push({ wanted, resolve }));
  }

  nextAcknowledgement(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #up(id: number, text: string): void {
    const [, method, target = ''] = REQUEST.exec(text) ?? [];
    if (method === undefined) return;
    const chunk = CHUNK.exec(target)?.[1];
    const epoch = Number(EPOCH.exec(text)?.[1] ?? 0);
    this.epoch = Math.max(this.epoch, epoch);
    const upload = method === 'PUT' && chunk !== undefined ? Number(chunk) : undefined;
    this.#connections.set(id, { epoch, upload });
    if (chunk === undefined || (method !== 'PUT' && method !== 'GET')) return;
    this.requests.push({ chunk: Number(chunk), epoch });
    const due = this.#wanting.filter(({ wanted }) => this.requests.length >= wanted);
    this.#wanting = this.#wanting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve();
  }

  #down(connection: Connection | undefined, text: string): void {
    const [, point, durable] = STATUS.exec(text) ?? [];
    if (connection === undefined || point === undefined) return;
    const { epoch, upload } = connection;
    if (upload !== undefined) {
      this.#points.set(upload, { epoch, point: Number(point) });
      this.answered.add(upload);
    }
    connection.upload = undefined;
    const before = this.acknowledged.size;
    for (const [chunk, covered] of this.#points) {
      if (covered.epoch === epoch && covered.point <= Number(durable)) this.acknowledged.add(chunk);
    }
    if (this.acknowledged.size === before) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

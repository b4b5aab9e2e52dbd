/**
 * Promises that are made in answers: what a server says is durable is; an answer goes to the newest epoch only; and a
 * chunk of which a client was told that it is durable is not sent again.
 */
import type { SeenRequest, TrafficObserver } from '../network/network.ts';
import { PLACE } from '../scenario.ts';
import type { World } from '../world.ts';
import type { Claims } from './claims.ts';
import type { Published } from './published.ts';
import type { Records } from './records.ts';

const ROUTE = /^\/\.cairn\/v1\/sessions(?:\/([A-Za-z0-9_-]+))?(?:\/([a-z]+))?(?:\/(\d+))?$/;
const DIGEST_BYTES = { xxh64: 8, sha256: 32 } as const;

interface Call {
  readonly id: string;
  readonly action: string;
  readonly chunk: number;
  readonly epoch: number;
}

/** What was said in one epoch of a session. */
interface Epoch {
  /** Chunks that were whole, and the sync points that were to cover them. */
  readonly finished: [chunk: number, syncPoint: number][];
  /** Chunks of which the client was told that they are there: no byte of them is to come again. */
  readonly known: Set<number>;
  /** How often the client has sent each chunk, or begun to. */
  readonly sent: Map<number, number>;
}

/** Watches requests and answers. */
export class Answers implements TrafficObserver {
  readonly #world: World;
  readonly #watch: { readonly claims: Claims; readonly published: Published; readonly records: Records };
  readonly #epochs = new Map<string, Epoch>();
  /** Which client was granted a session last. */
  readonly #holders = new Map<string, string>();

  constructor(world: World, watch: { claims: Claims; published: Published; records: Records }) {
    this.#world = world;
    this.#watch = watch;
  }

  requestSent(request: SeenRequest): void {
    const call = callOf(request);
    if (call?.action !== 'chunks') return;
    if (request.method === 'PUT') this.#checkPut(request, call);
    else if (request.method === 'GET') this.#checkGet(request, call);
  }

  answered(request: SeenRequest, status: number, body: Buffer): void {
    const call = callOf(request);
    this.#world.trace.say(
      'network',
      () => `${request.client.name} ${request.method} ${request.path} -> ${status}`,
    );
    if (call === undefined || status >= 300) return;
    const { claims, published, records } = this.#watch;
    const { id, action, epoch } = call;
    const isGrant = action === 'resume' || (action === '' && request.method === 'POST');
    if (isGrant) return this.#granted(request, body);
    if (epoch < records.grantedEpoch(id)) {
      this.#world.break(
        'one writer',
        `${request.method} ${request.path} was answered in epoch ${epoch}, which is over`,
      );
    }
    if (action === '' && request.method === 'DELETE') return records.ended(id, 'aborted');
    if (action === 'commit') {
      if ((JSON.parse(body.toString()) as { state: string }).state !== 'committed') return;
      records.ended(id, 'committed');
      if (this.#world.scenario.direction === 'push')
        published.committed(this.#world.server, 'some version', 'a commit was answered');
      return;
    }
    if (this.#world.scenario.direction === 'push') this.#answeredPush(request, call, body, claims);
  }

  #answeredPush(request: SeenRequest, call: Call, body: Buffer, claims: Claims): void {
    const { id, action, chunk } = call;
    const epoch = this.#epochOf(call);
    const claimed = claims.of(stagingOf(id));
    if (action === 'checkpoint') {
      const { chunks } = JSON.parse(body.toString()) as { chunks: { runs: number[] } };
      for (const one of chunksOf(chunks.runs)) {
        epoch.known.add(one);
        if (!claimed.has(one))
          this.#world.break('durable means durable', `a checkpoint of ${id} names chunk ${one}`);
      }
      return;
    }
    if (action !== 'sync' && (action !== 'chunks' || request.method !== 'PUT')) return;
    const said = JSON.parse(body.toString()) as { syncPoint: number; durableSyncPoint: number };
    if (action === 'chunks') epoch.finished.push([chunk, said.syncPoint]);
    for (const [one, syncPoint] of epoch.finished) {
      if (syncPoint > said.durableSyncPoint) continue;
      epoch.known.add(one);
      // Whoever sends a chunk again with other bytes, those that the source has by now, takes back what it sent before.
      const isReplaced = this.#hasChanged() && epoch.sent.get(one)! > 1;
      if (claimed.has(one) || isReplaced) continue;
      this.#world.break(
        'durable means durable',
        `sync point ${said.durableSyncPoint} of ${id} was said to be durable, and chunk ${one} is not in the journal`,
      );
    }
  }

  #granted({ client }: SeenRequest, body: Buffer): void {
    const { session, epoch } = JSON.parse(body.toString()) as { session: string; epoch: number };
    const before = this.#holders.get(session);
    this.#holders.set(session, client.name);
    this.#world.meet(before === undefined ? 'new session' : 'resumed session');
    if (before !== undefined && before !== client.name) this.#world.meet('takeover');
    this.#watch.records.granted(session, epoch);
  }

  /** A push: nothing of a chunk goes out that the client was told is durable. */
  #checkPut({ headers, path }: SeenRequest, call: Call): void {
    const payload = Number(headers['content-length']) - DIGEST_BYTES[this.#world.scenario.digest];
    const { known, sent } = this.#epochOf(call);
    sent.set(call.chunk, (sent.get(call.chunk) ?? 0) + 1);
    if (headers['cairn-offset'] !== undefined) this.#world.meet('partial chunk');
    if (headers['content-encoding'] !== undefined) this.#world.meet('compressed chunk');
    if (payload <= 0 || !known.has(call.chunk) || this.#hasChanged()) return;
    this.#world.break(
      'nothing twice',
      `${payload} bytes of ${path} are sent again, which the client knew is durable`,
    );
  }

  /** A pull: nothing of a chunk is asked for that is in the client's own checkpoint. */
  #checkGet({ client, path, headers }: SeenRequest, { chunk }: Call): void {
    if (this.#hasChanged()) return;
    const { disk } = client.machine;
    const staging = disk.find(`${PLACE.destination}/.cairn/staging`);
    if (staging?.type !== 'directory') return;
    for (const id of staging.entries.keys()) {
      const folder = `${PLACE.destination}/.cairn/staging/${id}`;
      const journal = disk.find(`${folder}/journal`);
      if (journal?.type !== 'file' || !this.#watch.claims.of(`${client.machine.name}:${folder}`).has(chunk))
        continue;
      const offset = Number(headers['cairn-offset'] ?? 0);
      this.#world.break(
        'nothing twice',
        `${path} is asked for from byte ${offset} on, and it is in the checkpoint`,
      );
    }
  }

  #hasChanged(): boolean {
    return this.#world.scenario.files.some(({ versions }) => versions.length > 1);
  }

  #epochOf({ id, epoch }: Call): Epoch {
    const key = `${id} ${epoch}`;
    let found = this.#epochs.get(key);
    if (found === undefined) {
      found = { finished: [], known: new Set(), sent: new Map() };
      this.#epochs.set(key, found);
    }
    return found;
  }
}

function callOf({ path, headers }: SeenRequest): Call | undefined {
  const match = ROUTE.exec(path);
  if (match === null) return undefined;
  const [, id = '', action = '', chunk = '-1'] = match;
  return { id, action, chunk: Number(chunk), epoch: Number(headers['cairn-epoch'] ?? 0) };
}

function stagingOf(id: string): string {
  return `server:${PLACE.serverRoot}/.cairn/staging/${id}`;
}

function* chunksOf(runs: readonly number[]): Generator<number> {
  for (let at = 0; at < runs.length; at += 2) {
    for (let chunk = runs[at]!; chunk < runs[at]! + runs[at + 1]!; chunk += 1) yield chunk;
  }
}

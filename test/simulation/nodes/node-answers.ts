/**
 * Promises that nodes make in answers: a chunk that was taken is in the store, and stays until its session has ended; a
 * commit that was told has happened; what was told to be aborted is never published; no epoch is granted twice.
 */
import { isTerminal } from '../../../src/session/state.ts';
import type { SeenRequest, TrafficObserver } from '../network/network.ts';
import type { NodesWorld } from './nodes-world.ts';
import { STORE } from './place.ts';
import type { PublishedWatch } from './published-tree.ts';
import type { StoredSessions } from './stored-sessions.ts';

const ROUTE = /^\/\.cairn\/v1\/sessions(?:\/([A-Za-z0-9_-]+))?(?:\/([a-z]+))?(?:\/(\d+))?$/;
const CHUNK_KEY = /^c\/([^/]+)\/[^/]+\/[^/]+\/(\d+)-[0-9a-f]+-[0-9a-f]+$/;

/** See the file. */
export class NodeAnswers implements TrafficObserver {
  readonly #world: NodesWorld;
  readonly #sessions: StoredSessions;
  readonly #published: PublishedWatch;
  readonly #epochs = new Set<string>();
  readonly #aborted = new Set<string>();
  /** Chunks that a node has taken, `SESSION/CHUNK`. */
  readonly #taken = new Set<string>();

  constructor(world: NodesWorld, sessions: StoredSessions, published: PublishedWatch) {
    this.#world = world;
    this.#sessions = sessions;
    this.#published = published;
  }

  requestSent(): void {}

  answered({ client, method, path }: SeenRequest, status: number, body: Buffer): void {
    this.#world.trace.say('network', () => `${client.name} ${method} ${path} -> ${status}`);
    const match = ROUTE.exec(path);
    if (match === null || status >= 300) return;
    const [, id = '', action = '', chunk = ''] = match;
    if (action === 'resume' || (action === '' && method === 'POST')) this.#granted(client.name, body);
    else if (action === 'commit') this.#committed(id, body);
    else if (action === '' && method === 'DELETE') this.#abortTold(id);
    else if (action === 'chunks' && method === 'PUT') this.#chunkTaken(id, chunk);
  }

  /** An object has been put. */
  put(): void {
    for (const session of this.#aborted) {
      if (!this.#published.hasPublished(session)) continue;
      this.#world.break('aborted means never published', `${session} was published after its abort was told`);
    }
  }

  /** An object has been removed. */
  removed(key: string): void {
    const [, session, chunk] = CHUNK_KEY.exec(key.slice(STORE.prefix.length)) ?? [];
    if (session === undefined || !this.#taken.has(`${session}/${chunk}`)) return;
    const state = this.#sessions.record(session)?.state;
    if (state === undefined || isTerminal(state)) return;
    this.#world.break('no taken byte is lost', `${key} was removed while its session is ${state}`);
  }

  #granted(client: string, body: Buffer): void {
    const { session, epoch } = JSON.parse(body.toString()) as { session: string; epoch: number };
    this.#sessions.granted(session, client);
    const granted = `${session} ${epoch}`;
    if (this.#epochs.has(granted))
      this.#world.break('epochs', `epoch ${epoch} of ${session} was granted twice`);
    this.#epochs.add(granted);
  }

  #committed(session: string, body: Buffer): void {
    if ((JSON.parse(body.toString()) as { state: string }).state !== 'committed') return;
    if (!this.#published.hasPublished(session))
      this.#world.break('success means published', `${session} was told to be committed, and it is not`);
  }

  #abortTold(session: string): void {
    if (this.#published.hasPublished(session))
      this.#world.break(
        'aborted means never published',
        `${session} was told to be aborted, and is published`,
      );
    this.#aborted.add(session);
  }

  #chunkTaken(session: string, chunk: string): void {
    this.#taken.add(`${session}/${chunk}`);
    const beginning = `${STORE.prefix}c/${session}/`;
    for (const key of this.#world.bucket.objects.keys()) {
      if (key.startsWith(beginning) && CHUNK_KEY.exec(key.slice(STORE.prefix.length))?.[2] === chunk) return;
    }
    this.#world.break(
      'taken means durable',
      `chunk ${chunk} of ${session} was taken, and is not in the store`,
    );
  }
}

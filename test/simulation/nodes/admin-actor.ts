/** Somebody who aborts sessions, whatever becomes of their clients. */
import { ACCESS_TOKEN } from '../actors/server-actor.ts';
import type { LoadedRealm } from '../realm.ts';
import { PLACE } from '../scenario.ts';
import type { NodesWorld } from './nodes-world.ts';

/** Runs `cairn sessions abort`, as far as there is a session to abort. */
export class AdminActor {
  readonly #world: NodesWorld;
  readonly #loaded: LoadedRealm;
  #isBusy = false;

  constructor(world: NodesWorld, loaded: LoadedRealm) {
    this.#world = world;
    this.#loaded = loaded;
  }

  /** Aborts one session. */
  abortOne(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const process = this.#world.spawn(this.#world.admin, 'admin');
    this.#loaded.realm.process = process;
    this.#abort()
      .catch((error: unknown) => this.#world.trace.say('admin', () => String(error)))
      .finally(() => {
        this.#isBusy = false;
        process.end('killed');
      });
  }

  async #abort(): Promise<void> {
    const { chance } = this.#world;
    const sessions = await this.#loaded.code.openSessions({
      url: new URL(`http://server:7000/${PLACE.name}`),
      token: async () => ACCESS_TOKEN,
      retryForMs: 5000,
      random: () => chance.next(),
      signal: new AbortController().signal,
      report: () => undefined,
    });
    const found = (await sessions.list()).filter(({ state }) => state !== 'committed' && state !== 'aborted');
    const wanted = found.find(({ state }) => state === 'committing') ?? found[0];
    if (wanted === undefined) return;
    await sessions.abort(wanted.session);
    this.#world.meet(`aborted while ${wanted.state}`);
  }
}

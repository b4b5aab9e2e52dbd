/** What holds at the end of every case, whatever it was about: nothing is left of what it did but the result. */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkDescriptors, checkNothingLeft } from './invariants.ts';
import { unfinishedSessions } from './sessions.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

const LOOK_MS = 50;
const USUAL_PATIENCE_MS = 3000;

/** What is looked at beside the server. */
export interface StartingPoint {
  /** State of each client that took part; the world's own where they are missing. */
  readonly clientHomes?: readonly string[];
  /** Where a pull staged. */
  readonly destination?: string;
  /** A client may have died before it wrote down which session it has: that one is left to its lease. */
  readonly mayForget?: boolean;
  /** How long a server may take to notice that nobody is there any more. */
  readonly patienceMs?: number;
}

/**
 * Transfers are over: no staging, no record of a client, no session that goes on, no open descriptor, nothing outside of
 * the root, no secret where it should not be.
 */
export async function checkBackToStart(
  world: Pick<World, 'server' | 'root' | 'clientHome' | 'checkSurroundings'>,
  {
    clientHomes = [world.clientHome],
    destination,
    mayForget = false,
    patienceMs = USUAL_PATIENCE_MS,
  }: StartingPoint = {},
): Promise<void> {
  const { root, server } = world;
  await eventually(() => checkDescriptors(server.pid()!, root), patienceMs);
  await eventually(() => {
    if (!mayForget) checkNoSession(root);
    for (const clientHome of clientHomes)
      checkNothingLeft({
        serverRoot: mayForget ? undefined : root,
        clientHome,
        ...(destination === undefined ? {} : { destination }),
      });
  }, patienceMs);
  world.checkSurroundings();
}

function checkNoSession(root: string): void {
  const left = unfinishedSessions(root).map(({ id, state, target }) => `${id} (${state}, "${target}")`);
  if (left.length > 0) throw new Violation('leak', `sessions that nobody will end: ${left.join(', ')}`);
}

/** Waits for what comes by itself. */
export async function eventually(check: () => void, patienceMs = USUAL_PATIENCE_MS): Promise<void> {
  for (const until = performance.now() + patienceMs; performance.now() < until;) {
    try {
      check();
      return;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
    }
    await sleep(LOOK_MS);
  }
  check();
}

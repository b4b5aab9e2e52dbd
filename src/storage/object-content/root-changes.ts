/**
 * Changes of the root: those that wait in this process go into one compare-and-set, and each sees what the one before
 * has made. A change that loses against other nodes again and again reserves the root, so that the others wait.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../base/errors.ts';
import { createMutex } from '../../base/mutex.ts';
import type { NextRoot, ReadRoot, RootObject, TreeRoot } from './tree-root.ts';

/** Tries, while other nodes replace the root again and again. */
const MAX_TRIES = 200;
const LONGEST_PAUSE_MS = 100;
/** Lost races after which a change reserves the root. */
const RESERVING_TRIES = 4;
/** The others wait for so long, and look so often: the node that has reserved it may be gone. */
const RESERVED_MS = 15_000;
const LOOK_MS = 50;
const MAX_TOGETHER = 64;

/** Makes the next root from the current one; undefined where there is nothing to change. It may be called again. */
export type RootStep = (root: ReadRoot) => Promise<NextRoot | undefined>;

/** Changes the root. */
export interface RootChanges {
  /** See `PublishedTree.change`. */
  change(step: RootStep, options?: { readonly isLong?: boolean }): Promise<TreeRoot>;
  /** See `PublishedTree.noteEnded`. */
  noteEnded(area: string): void;
}

/** A change that waits for its turn, and its result in the latest try. */
interface Waiting {
  readonly step: RootStep;
  readonly resolve: (root: TreeRoot) => void;
  readonly reject: (error: unknown) => void;
  failure?: { readonly error: unknown } | undefined;
}

/** Tries changes, and drops commits of areas that are gone from the root on the way. */
interface RootTries {
  readonly ended: Set<string>;
  /** Replaces a root; undefined where another node was faster. */
  replace(current: ReadRoot, next: NextRoot): Promise<ReadRoot | undefined>;
  /** One try of some changes, each on top of the one before; undefined where another node was faster. */
  attempt(batch: readonly Waiting[], current: ReadRoot): Promise<TreeRoot | undefined>;
}

function createRootTries(root: RootObject): RootTries {
  const ended = new Set<string>();
  const replace: RootTries['replace'] = async (current, next) => {
    const dropped = [...ended];
    const recent = next.recent.filter(({ area }) => !dropped.includes(area));
    const replaced = await root.replace(current, { ...next, recent });
    if (replaced !== undefined) for (const area of dropped) ended.delete(area);
    return replaced;
  };
  const attempt: RootTries['attempt'] = async (batch, current) => {
    let next: ReadRoot = { ...current, reserved: undefined };
    let isChanged = false;
    for (const each of batch) {
      each.failure = undefined;
      try {
        const made = await each.step(next);
        if (made === undefined) continue;
        next = { ...next, ...made };
        isChanged = true;
      } catch (error) {
        // A tree that is read for too long may be freed meanwhile: then there is a later one.
        const isStorage = error instanceof CairnError && error.code === 'storage-io';
        if (isStorage && (await root.read()).etag !== current.etag) return undefined;
        each.failure = { error };
      }
    }
    return isChanged ? replace(current, next) : current;
  };
  return { ended, replace, attempt };
}

/** Makes the changes of one process. */
export function createRootChanges(root: RootObject): RootChanges {
  const inTurn = createMutex();
  const { ended, replace, attempt } = createRootTries(root);
  let waiting: Waiting[] = [];
  const carryOut = async (batch: readonly Waiting[]): Promise<TreeRoot> => {
    const mark = randomBytes(9).toString('base64url');
    for (let tries = 1; tries < MAX_TRIES; tries += 1) {
      let current: ReadRoot | undefined = await unreserved(root, mark);
      if (tries >= RESERVING_TRIES && current.reserved !== mark) {
        const { tree, recent } = current;
        current = await replace(current, { tree, recent, reserved: mark });
      }
      const done = current && (await attempt(batch, current));
      if (done !== undefined) return done;
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, 4 * tries));
    }
    const message = 'other servers change the published tree again and again; try again later';
    throw new CairnError('server-busy', message);
  };
  const runWaiting = async (): Promise<void> => {
    const batch = waiting.slice(0, MAX_TOGETHER);
    waiting = waiting.slice(MAX_TOGETHER);
    if (batch.length > 0) await settle(batch, carryOut);
  };
  /** One try beside the others; undefined where another change was faster. */
  const alone = async (step: RootStep): Promise<TreeRoot | undefined> => {
    const one: Waiting = { step, resolve: () => undefined, reject: () => undefined };
    const done = await attempt([one], await unreserved(root, ''));
    if (done !== undefined && one.failure !== undefined) throw one.failure.error;
    return done;
  };
  return {
    noteEnded: (area) => void ended.add(area),
    change: async (step, { isLong = false } = {}) => {
      const first = isLong ? await alone(step) : undefined;
      if (first !== undefined) return first;
      return new Promise((resolve, reject) => {
        waiting.push({ step, resolve, reject });
        void inTurn(runWaiting);
      });
    },
  };
}

/** The root, once no other change has it reserved, or has had it for too long. */
async function unreserved(root: RootObject, mark: string): Promise<ReadRoot> {
  const first = await root.read();
  let current = first;
  for (let waitedMs = 0; waitedMs < RESERVED_MS; waitedMs += LOOK_MS) {
    const { reserved } = current;
    if (reserved === undefined || reserved === mark || reserved !== first.reserved) return current;
    await sleep(LOOK_MS);
    current = await root.read();
  }
  return current;
}

async function settle(
  batch: readonly Waiting[],
  carryOut: (batch: readonly Waiting[]) => Promise<TreeRoot>,
): Promise<void> {
  try {
    finish(batch, await carryOut(batch));
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}

function finish(batch: readonly Waiting[], done: TreeRoot): void {
  for (const { failure, resolve, reject } of batch) {
    if (failure === undefined) resolve(done);
    else reject(failure.error);
  }
}

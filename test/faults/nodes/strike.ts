/** Lets a node kill or stop itself at one of its changes of the store, right before or right after it. */
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';

/** Where a node is struck: at the change number `nth`, from 1, of this kind. */
export interface Strike {
  /** As {@link kindOf} says it. */
  readonly what: string;
  readonly nth: number;
  readonly moment: 'before' | 'after';
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

/** The environment variable that has a strike as JSON; `count` in its place only tells of each change. */
export const STRIKE = 'CAIRN_TEST_STRIKE';

/** What a node does when it comes to a change. */
export interface Striking {
  readonly strike: Strike | undefined;
  /** Whether a session is being published now. */
  readonly isPublishing: () => boolean;
  /** Told of each change before it is made. */
  readonly onChange: (what: string) => void;
  /** Told right before the signal. */
  readonly onStrike: () => void;
}

/** The same objects; each change counts. */
export function struck(
  objects: ObjectStore,
  { strike, isPublishing, onChange, onStrike }: Striking,
): ObjectStore {
  let count = 0;
  const change = async <T>(method: string, key: string, make: () => Promise<T>): Promise<T> => {
    const what = kindOf(method, key, isPublishing());
    onChange(what);
    if (what === strike?.what) count += 1;
    const isNow = what === strike?.what && count === strike.nth;
    const hit = (moment: Strike['moment']): void => {
      if (!isNow || strike.moment !== moment) return;
      onStrike();
      process.kill(process.pid, strike.signal);
    };
    hit('before');
    const result = await make();
    hit('after');
    return result;
  };
  return {
    ...objects,
    put: (key, body, options) => change('put', key, () => objects.put(key, body, options)),
    remove: (keys) => change('remove', keys[0] ?? '', () => objects.remove(keys)),
  };
}

/** Names a change: `publish` for one of the root that publishes a session, else its method and the beginning of its key. */
function kindOf(method: string, key: string, isPublishing: boolean): string {
  if (key === 'i/root' && isPublishing) return 'publish';
  const [top = '', , ...rest] = key.split('/');
  const below = top === 'd' ? `/${rest[0] ?? ''}` : '';
  return `${method} ${top}${below}`;
}

/** Documents whose changes ring at the other nodes, so that these need not wait for their next look. */
import type { SharedMemory } from './shared-memory.ts';
import type { StateStore } from './state-store.ts';

/** The same documents. A bell that is not heard costs time only: a watch goes on looking as often as without one. */
export function withBell(state: StateStore, memory: Pick<SharedMemory, 'ring' | 'listen'>): StateStore {
  const ringing = async <T>(key: string, change: () => Promise<T>): Promise<T> => {
    try {
      return await change();
    } finally {
      // After a failure, too: the document may have changed all the same. No request waits for the bell.
      void memory.ring([key]);
    }
  };
  return {
    ...state,
    compareAndSet: (key, version, text) => ringing(key, () => state.compareAndSet(key, version, text)),
    remove: (key) => ringing(key, () => state.remove(key)),
    watch: (prefixOrKey, signal) => watchRung({ state, memory }, prefixOrKey, signal),
  };
}

/** See `StateStore.watch`. */
async function* watchRung(
  { state, memory }: { readonly state: StateStore; readonly memory: Pick<SharedMemory, 'listen'> },
  prefixOrKey: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const looks = state.watch(prefixOrKey, signal)[Symbol.asyncIterator]();
  const next = (): Promise<IteratorResult<readonly string[]>> => {
    const look = looks.next();
    look.catch(() => undefined); // it is thrown where it is awaited, which may be later
    return look;
  };
  const bell = openBell(memory, (key) => isBelow(key, prefixOrKey));
  try {
    let look = await next();
    let looking: Promise<IteratorResult<readonly string[]>> | undefined;
    while (look.done !== true) {
      yield look.value;
      looking = next();
      for (;;) {
        const first = await Promise.race([looking, bell.rung()]);
        if (first !== 'rung') {
          look = first;
          break;
        }
        yield bell.take();
      }
    }
  } finally {
    bell.close();
    await looks.return?.();
  }
}

/** Keys that were rung and not taken yet. */
interface Bell {
  rung(): Promise<'rung'>;
  take(): readonly string[];
  close(): void;
}

function openBell(memory: Pick<SharedMemory, 'listen'>, isMeant: (key: string) => boolean): Bell {
  let keys: Set<string> | undefined;
  let wake: () => void = () => undefined;
  const close = memory.listen((rung) => {
    const meant = rung?.filter(isMeant);
    if (meant?.length === 0) return;
    keys = new Set([...(keys ?? []), ...(meant ?? [])]);
    wake();
  });
  return {
    close,
    rung: () => {
      if (keys !== undefined) return Promise.resolve('rung');
      return new Promise((resolve) => (wake = () => resolve('rung')));
    },
    take: () => {
      const taken = [...(keys ?? [])];
      keys = undefined;
      return taken;
    },
  };
}

function isBelow(key: string, prefixOrKey: string): boolean {
  const isPrefix = prefixOrKey === '' || prefixOrKey.endsWith('/');
  return isPrefix ? key.startsWith(prefixOrKey) : key === prefixOrKey;
}

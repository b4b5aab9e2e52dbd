/** Directories of which more may be named than a process can have open: each is open only while something is asked of it. */
import type { LocalStore, ReadableLocalStore } from '../../storage/disk/local-disk.ts';

/**
 * A store that `open` opens whenever it is asked for something, and that is closed when nothing more is asked of it.
 *
 * @returns what it is asked for throws what `open` throws
 */
export function createRestingStore(open: () => Promise<LocalStore>): ReadableLocalStore {
  let users = 0;
  let opened: Promise<LocalStore> | undefined;
  const enter = (): Promise<LocalStore> => {
    users += 1;
    opened ??= open();
    return opened;
  };
  const leave = async (): Promise<void> => {
    users -= 1;
    if (users > 0) return;
    const last = opened;
    opened = undefined;
    const store = await last?.catch(() => undefined); // told to those that have asked
    await store?.close();
  };
  async function* whileOpen<Item>(itemsOf: (store: LocalStore) => AsyncIterable<Item>): AsyncGenerator<Item> {
    const entered = enter();
    try {
      yield* itemsOf(await entered);
    } finally {
      await leave();
    }
  }
  return {
    scan: (...asked) => whileOpen((store) => store.scan(...asked)),
    read: (...asked) => whileOpen((store) => store.read(...asked)),
    lookup: async (...asked) => {
      const entered = enter();
      try {
        return await (await entered).lookup(...asked);
      } finally {
        await leave();
      }
    },
  };
}

/** Takes over at once what other nodes do to the sessions that this one has in memory. */
import type { Logger } from '../base/logger.ts';
import type { SharedMemory } from '../storage/state/shared-memory.ts';
import type { LiveSessions } from './core/sessions/live-sessions.ts';

/** What the keys of session records begin with. */
const RECORDS = 's/';
/** Most sessions that wait to be read; beyond, the next request for one reads it anyway. */
const MAX_WAITING = 1000;

interface Listening {
  readonly memory: Pick<SharedMemory, 'listen'> | undefined;
  readonly live: Pick<LiveSessions, 'changedElsewhere'>;
  readonly log: Logger;
}

/** Listens until the returned function is called. One record is read at a time, and each once for all rings before. */
export function followSessions({ memory, live, log }: Listening): () => void {
  const waiting = new Set<string>();
  let isReading = false;
  const readAll = async (): Promise<void> => {
    for (const id of waiting) {
      waiting.delete(id);
      // oxlint-disable-next-line no-await-in-loop -- what strangers cause elsewhere must not flood the store
      await live.changedElsewhere(id);
    }
  };
  const wake = (): void => {
    if (isReading || waiting.size === 0) return;
    isReading = true;
    readAll()
      .catch((error: unknown) =>
        log.warn({ err: error }, 'a session that another node changed could not be read'),
      )
      .finally(() => {
        isReading = false;
      });
  };
  return (
    memory?.listen((keys = []) => {
      for (const key of keys)
        if (key.startsWith(RECORDS) && waiting.size < MAX_WAITING) waiting.add(key.slice(RECORDS.length));
      wake();
    }) ?? (() => undefined)
  );
}

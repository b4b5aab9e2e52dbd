/** The client's journal of a push: what the server has made durable, written down in groups. */
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';

/** The note that says when the journal was last written, in milliseconds since 1970. */
export const WORKED_AT = 'workedAt';

const MAX_DELAY_MS = 1000;
const MAX_CHUNKS = 64;

/** Collects durable chunks and writes them to the log, some at a time. */
export interface JournalWriter {
  /** Notes chunks that are durable. Throws what an earlier write failed with. */
  add(chunks: readonly (readonly [chunk: number, digest: Uint8Array])[], bytesDone: number): void;
  /** Writes the collected chunks. @throws CairnError, storage codes */
  flush(): Promise<void>;
  /** Forgets the collected chunks and waits for the write under way; the log can be closed then. */
  stop(): Promise<void>;
}

/** Makes the writer over a log; it borrows the log. A lost entry costs hashing one chunk again, so none is waited for. */
export function createJournalWriter(log: CheckpointLog): JournalWriter {
  let collected: (readonly [number, Uint8Array])[] = [];
  let note = 0;
  let timer: NodeJS.Timeout | undefined;
  let failure: { readonly error: unknown } | undefined;
  let turn: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    if (collected.length === 0) return;
    const chunks = collected;
    collected = [];
    await log.append({ chunks, note: { bytesDone: note, [WORKED_AT]: Date.now() } });
  };
  const flush = (): Promise<void> => {
    const done = turn.then(write);
    turn = done.catch((error: unknown) => {
      failure = { error };
    });
    return done;
  };
  const inBackground = (): void => void flush().catch(() => undefined); // the next call throws it

  return {
    stop: async () => {
      clearTimeout(timer);
      collected = [];
      await turn;
    },
    flush: async () => {
      if (failure !== undefined) throw failure.error;
      await flush();
    },
    add: (chunks, bytesDone) => {
      if (failure !== undefined) throw failure.error;
      if (chunks.length === 0) return;
      collected.push(...chunks);
      note = bytesDone;
      if (collected.length >= MAX_CHUNKS) inBackground();
      else timer ??= setTimeout(inBackground, MAX_DELAY_MS);
    },
  };
}

/** Answers with lines as they come: some at a time, and empty ones where none comes for a while. */
import type { Exchange } from './exchange.ts';
import { write } from './reply.ts';

/** A batch of lines goes out at so many characters, or after so long. */
const BATCH = { characters: 16 * 1024, afterMs: 2000 };

/** Writes lines into an answer. */
export interface LineWriter {
  add(line: string): Promise<void>;
  /** Keeps the connection alive by an empty line; called now and then while no line is ready. */
  tick(): Promise<void>;
  /** The lines that were added and are not written yet. */
  rest(): string;
}

/** Makes the {@link LineWriter} of an answer whose head is written. Both of its promises reject as `write` does. */
export function createLineWriter(exchange: Exchange): LineWriter {
  let pending = '';
  let writtenAt = Date.now();
  const isDue = (): boolean => Date.now() - writtenAt >= BATCH.afterMs;
  const flush = async (text: string): Promise<void> => {
    pending = '';
    writtenAt = Date.now();
    await write(exchange, text);
  };
  return {
    add: async (line) => {
      pending += `${line}\n`;
      if (pending.length >= BATCH.characters || isDue()) await flush(pending);
    },
    tick: async () => {
      if (isDue()) await flush(pending === '' ? '\n' : pending);
    },
    rest: () => pending,
  };
}

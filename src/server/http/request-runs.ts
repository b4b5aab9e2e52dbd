/** Reads JSON messages with lists of runs from request bodies as the bytes arrive, so that memory does not grow. */
import type * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { parseMessage } from '../../wire/parse-message.ts';
import { atMostBytes, readRuns } from '../core/sessions/plan-text.ts';
import { contentLengthOf, openBody, type Exchange } from './exchange.ts';

/** The message that a request must have. */
export interface ExpectedRuns<Schema extends v.GenericSchema, Name extends string> {
  /** Schema of everything but the lists. */
  readonly schema: Schema;
  /** Names of the lists, all of them required. */
  readonly names: readonly Name[];
  /** Every index in a run is below this. */
  readonly entries: number;
  readonly maxBytes: number;
  readonly what: string;
}

/**
 * Reads and checks a message; of its lists it keeps one bit for each index.
 *
 * @throws CairnError `invalid-request` for one that is too long or not valid; `network`, `timeout`
 */
export async function readRunsMessage<Schema extends v.GenericSchema, Name extends string>(
  exchange: Exchange,
  { schema, maxBytes, what, ...expected }: ExpectedRuns<Schema, Name>,
): Promise<{ message: v.InferOutput<Schema>; sets: Record<Name, ChunkSet> }> {
  const tooLong = (): CairnError =>
    new CairnError('invalid-request', `${what} is longer than ${maxBytes} bytes`, {
      details: { limit: 'runs' },
    });
  if ((contentLengthOf(exchange) ?? 0) > maxBytes) throw tooLong();
  const body = atMostBytes(openBody(exchange), maxBytes, tooLong);
  const { sets, others } = await readRuns(body, { ...expected, what });
  return { message: parseMessage(schema, others, what), sets };
}
